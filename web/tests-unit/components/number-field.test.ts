import { expect, test } from 'vitest'
import { fits } from '../../src/components/number-field'

test('a figure is taken within its bounds, and nothing at all', () => {
  const topP = { min: 0, max: 1, step: 0.05 }
  for (const figure of [null, 0, 0.33, 1]) expect(fits(figure, topP)).toBe(true)
  for (const figure of [-0.1, 1.5, Number.NaN]) expect(fits(figure, topP)).toBe(false)
})

test('what is counted is whole', () => {
  const tokens = { min: 1, max: 10, step: 1 }
  for (const figure of [null, 1, 10]) expect(fits(figure, tokens)).toBe(true)
  for (const figure of [0, 1.5, 11]) expect(fits(figure, tokens)).toBe(false)
})
