import { describe, expect, test } from 'vitest'
import type { HistoryWindow } from '../../src/api/types'
import { keyOf, rank, typedWindow } from '../../src/chat/windows'

describe('windows', () => {
  test('stand on the ladder by what they send', () => {
    const mixed: HistoryWindow[] = [{ tokens: 3200 }, 0, 16, 1]
    expect(mixed.sort((a, b) => rank(a) - rank(b))).toEqual([1, 16, 0, { tokens: 3200 }])
  })

  test('are told apart', () => {
    expect(keyOf({ tokens: 5 })).toBe(keyOf({ tokens: 5 }))
    expect(new Set([keyOf(5), keyOf({ tokens: 5 }), keyOf({ tokens: 6 }), keyOf(0)]).size).toBe(4)
  })

  test('are typed as whole numbers of either unit', () => {
    expect(typedWindow(7, 'messages')).toBe(7)
    expect(typedWindow(3200, 'tokens')).toEqual({ tokens: 3200 })
    for (const odd of [null, 0, -1, 1.5, NaN]) expect(typedWindow(odd, 'tokens')).toBeNull()
  })
})
