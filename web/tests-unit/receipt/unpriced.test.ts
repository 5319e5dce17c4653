import { expect, test } from 'vitest'
import { unpricedTool } from '../../src/receipt/unpriced'

test('a tool that has no price is named with its model', () => {
  const said = 'ft:gpt-4.1: code_interpreter has no price in tier flex (used 2 times)'
  expect(unpricedTool(['gpt-4.1: output has no price', said])).toEqual({ model: 'ft:gpt-4.1', unit: 'code_interpreter' })
})

test('what is no tool is not one', () => {
  expect(unpricedTool([])).toBeNull()
  expect(unpricedTool(['gpt-9: output has no price', 'usage is not known'])).toBeNull()
})
