import { expect, test } from 'vitest'
import { isKorean } from '../../src/markdown/korean'

test.each([
  ['GPT-4o의 비용(USD)은 prompt_tokens로 정해집니다.', true],
  ['안녕', true],
  ['The word 비용 means cost, and so it does in this sentence.', false],
  ['', false],
  ['日本語', false],
])('%j', (text, korean) => {
  expect(isKorean(text)).toBe(korean)
})
