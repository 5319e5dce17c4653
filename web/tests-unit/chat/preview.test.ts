import { expect, test } from 'vitest'
import type { Preview, Rung } from '../../src/api/types'
import { ladderOf, rungInForce } from '../../src/chat/preview.svelte'

const rung = (window: number): Rung => ({
  window, messages_sent: 1, prompt_tokens: 1, cached_tokens: 0, cost_low: null, cost_high: null, fits: true, dropped: 0,
})
const preview = { window: 5, ladder: [0, 16, 5, 1].map(rung) } as Preview

test('the ladder rises to "all"', () => {
  expect(ladderOf(preview).map((item) => item.window)).toEqual([1, 5, 16, 0])
})

test('the rung in force is that of the window', () => {
  expect(rungInForce(preview)?.window).toBe(5)
  expect(rungInForce({ ...preview, window: 7 })).toBeUndefined()
})
