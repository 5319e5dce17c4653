import { expect, test } from 'vitest'
import { errorBody } from '../../src/api/client'
import { ApiError } from '../../src/api/errors'

test('an error says what the server said, in both languages', () => {
  const error = new ApiError(409, errorBody({ error: { code: 'context_too_small', message: 'no', message_ko: '안 됩니다', fits_window: 4 } }))
  expect([error.code, error.message, error.messageKo, error.details['fits_window']]).toEqual(['context_too_small', 'no', '안 됩니다', 4])
})

test('an answer that is no error object still makes an error', () => {
  for (const body of [null, 'text', {}, { error: 'x' }]) expect(new ApiError(502, errorBody(body)).code).toBe('http_502')
  expect(new ApiError(0, {}).unanswered).toBe(true)
})
