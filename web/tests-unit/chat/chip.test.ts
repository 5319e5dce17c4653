import { expect, test } from 'vitest'
import type { Figures } from '../../src/api/types'
import { answerChip, openFigures, questionChip } from '../../src/chat/chip'

const settled: Figures = {
  entry_id: 'e', state: 'settled', provenance: 'reported', prompt_tokens: 41, cached_tokens: 0, completion_tokens: 909,
  reasoning_tokens: 0, input_cost: '41', output_cost: '909', cost: '950', priced: true, preflight_tokens: 40, model_served: null,
}

test('the question has the whole history sent, the answer what was written', () => {
  expect(questionChip(settled)).toEqual({ tokens: 41, cost: '41', origin: 'reported', unpriced: false })
  expect(answerChip(settled)).toEqual({ tokens: 909, cost: '909', origin: 'reported', unpriced: false })
})

test('while the bill is open the question has our own count and nobody has a price', () => {
  const open = openFigures({ entry_id: 'e', preflight_tokens: 40 })
  expect(questionChip(open)).toEqual({ tokens: 40, cost: null, origin: 'preflight', unpriced: false })
  expect(answerChip(open)).toEqual({ tokens: null, cost: null, origin: 'running', unpriced: false })
})

test('a missing price is unpriced, missing usage is unknown, and zero is zero', () => {
  const unpriced = { ...settled, priced: false, input_cost: null }
  expect(questionChip(unpriced)).toMatchObject({ tokens: 41, cost: null, unpriced: true })
  const unknown: Figures = { ...settled, provenance: 'unknown', prompt_tokens: null, input_cost: null, priced: null }
  expect(questionChip(unknown)).toMatchObject({ tokens: null, cost: null, origin: 'unknown', unpriced: false })
  expect(answerChip({ ...settled, completion_tokens: 0, output_cost: '0' })).toMatchObject({ tokens: 0, cost: '0' })
})
