import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codePoints, LiveText } from '../../src/chat/live-text'

const text = fc.string({ unit: fc.constantFrom('a', '가', '👍🏽', '\n', 'é', '𝒳') })

describe('LiveText', () => {
  test('offsets count code points, not UTF-16 units', () => {
    const live = new LiveText()
    expect(live.merge(0, '👍가')).toBe(true)
    expect(live.merge(2, '!')).toBe(true)
    expect(live.text).toBe('👍가!')
  })

  test('a replay changes nothing, not even for a moment', () => {
    const live = new LiveText('안녕하세요')
    expect(live.merge(0, '안녕')).toBe(true)
    expect(live.text).toBe('안녕하세요')
  })

  test('a gap asks for a replay', () => {
    const live = new LiveText('abc')
    expect(live.merge(4, 'e')).toBe(false)
    expect(live.text).toBe('abc')
  })

  test('when the server tells an ending anew, that stands', () => {
    const live = new LiveText('abc lost')
    live.merge(4, 'kept')
    expect(live.text).toBe('abc kept')
  })

  test('any replays in any places come to the same text, without a doubled character', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 10 }), (pieces, jumps) => {
        const deltas: { offset: number; text: string }[] = []
        for (const [i, piece] of pieces.entries()) {
          deltas.push({ offset: codePoints(pieces.slice(0, i).join('')), text: piece })
        }
        const live = new LiveText()
        for (const [i, delta] of deltas.entries()) {
          expect(live.merge(delta.offset, delta.text)).toBe(true)
          const from = jumps[i]
          if (from === undefined) continue
          for (const again of deltas.slice(from % (i + 1), i + 1)) live.merge(again.offset, again.text)
        }
        expect(live.text).toBe(pieces.join(''))
      }),
    )
  })
})

test('code points are counted as Python counts them', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (any) => {
      expect(codePoints(any)).toBe([...any].length)
    }),
  )
})
