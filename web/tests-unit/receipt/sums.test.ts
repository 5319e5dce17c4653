import { expect, test } from 'vitest'
import type { Receipt } from '../../src/api/types'
import { addsUp, byKind, sentLine, usedLine } from '../../src/receipt/sums'

const receipt = { used_tokens: 950, prompt_tokens: 41, completion_tokens: 909, messages_sent: 4 } as Receipt

test('used tokens 950 = 41 + 909', () => {
  expect(usedLine(receipt)).toEqual({ used: 950, prompt: 41, completion: 909 })
  expect(usedLine({ ...receipt, completion_tokens: null, used_tokens: null })).toBeNull()
})

test('messages sent 4 = 3 + 1', () => {
  expect(sentLine(receipt)).toEqual({ sent: 4, history: 3, question: 1 })
  expect(sentLine({ ...receipt, messages_sent: 0 })).toEqual({ sent: 0, history: 0, question: 0 })
})

test('lines of a kind are one sum, and the sums keep the total', () => {
  const lines = [
    { kind: 'message', label: '', tokens: 30, quality: 'exact' },
    { kind: 'framing', label: '', tokens: 8, quality: 'exact' },
    { kind: 'message', label: '', tokens: 5, quality: 'estimate' },
    { kind: 'unexplained', label: '', tokens: -2, quality: 'exact' },
  ]
  const kinds = byKind(lines)
  expect(kinds).toEqual([
    { kind: 'message', tokens: 35, estimated: true },
    { kind: 'framing', tokens: 8, estimated: false },
    { kind: 'unexplained', tokens: -2, estimated: false },
  ])
  expect(addsUp(kinds, 41)).toBe(true)
  expect(addsUp(kinds, 40)).toBe(false)
  expect(addsUp(kinds, null)).toBe(false)
})
