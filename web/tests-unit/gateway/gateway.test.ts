import { expect, test } from 'vitest'
import type { Budget, Call } from '../../src/api/gateway'
import { amountText, sharesOf, written } from '../../src/gateway/budget-figures'
import { SURFACES } from '../../src/gateway/words'
import { dayBefore, endOfDay } from '../../src/gateway/dates'
import { namesOf } from '../../src/gateway/key-words'
import { extended, refreshed } from '../../src/gateway/merge'
import { allows, modelFor, snippet } from '../../src/gateway/snippets'

const call = (id: string, state: 'open' | 'settled' = 'settled'): Call => ({ id, state }) as Call
const ids = (calls: readonly Call[]): string => calls.map((one) => `${one.id}${one.state === 'open' ? '?' : ''}`).join(' ')

test('a list that is read again has what is new first and what settled as it now stands', () => {
  const shown = [call('d', 'open'), call('c'), call('b'), call('a')]
  expect(ids(refreshed(shown, [call('e', 'open'), call('d'), call('c')]))).toBe('e? d c b a')
  expect(ids(refreshed([], [call('a')]))).toBe('a')
})

test('a further page repeats nothing', () => {
  expect(ids(extended([call('c'), call('b')], [call('b'), call('a')]))).toBe('c b a')
})

function budget(amount: string, spent: string, reserved = '0'): Budget {
  const standing = { spent, reserved, remaining: '0', period_start: 0, resets_at: null }
  return { unit: 'picodollars', amount, standing } as Budget
}

test.each([
  ['100', '25', '25', { spent: 25, reserved: 25, over: false }],
  ['100', '0', '0', { spent: 0, reserved: 0, over: false }],
  ['0', '0', '0', { spent: 0, reserved: 0, over: false }],
  ['100', '150', '50', { spent: 75, reserved: 25, over: true }],
  ['4000000000000000000', '1', '0', { spent: 0.5, reserved: 0, over: false }],
])('a budget of %s with %s spent and %s reserved', (amount, spent, reserved, shares) => {
  expect(sharesOf(budget(amount, spent, reserved))).toEqual(shares)
})

test('an amount is written and read without loss', () => {
  expect(written('picodollars', '2500000000000')).toBe('2.50')
  expect(written('picodollars', '5000000000000')).toBe('5')
  expect(written('picodollars', '1')).toBe('0.000000000001')
  expect(written('tokens', 2000000)).toBe('2000000')
  expect(amountText('picodollars', ' 2.50 ')).toBe('2.50 USD')
  expect(amountText('tokens', '2,000,000')).toBe('2000000 tokens')
  for (const wrong of ['', '-1', '1e3', '5 USD', '0.0000000000001']) expect(amountText('picodollars', wrong)).toBeNull()
  expect(amountText('picodollars', '1,000')).toBe('1000 USD')
  expect(amountText('picodollars', '12,345.67')).toBe('12345.67 USD')
  for (const wrong of ['5,50', '0,500', '00,500', '5,5', '1,0000', '1000,000', '1,,000', ',000', '1.5,000', '1,00.5']) {
    expect(amountText('picodollars', wrong)).toBeNull()
    expect(amountText('tokens', wrong)).toBeNull()
  }
  for (const wrong of ['', '1.5', '-1']) expect(amountText('tokens', wrong)).toBeNull()
})

test('a key that ends on a day ends with it', () => {
  const ends = endOfDay('2026-11-28') ?? 0
  expect(new Date(ends / 1000).getHours()).toBe(0)
  expect(dayBefore(ends)).toBe('2026-11-28')
  expect(dayBefore(null)).toBe('')
  expect(endOfDay('soon')).toBeNull()
})

test('names are a list, nothing is all', () => {
  expect(namesOf(' gpt-4o,gpt-5*  gpt-4o')).toEqual(['gpt-4o', 'gpt-5*'])
  expect(namesOf(' , ')).toBeNull()
})

test('an example asks for a model that the key may use', () => {
  expect(modelFor('gpt-4o', null)).toBe('gpt-4o')
  expect(modelFor('gpt-4o', ['gpt-*'])).toBe('gpt-4o')
  expect(modelFor('gpt-4o', ['o4*', 'o3'])).toBe('o3')
  expect(modelFor('gpt-4o', ['o4*'])).toBe('gpt-4o')
  expect(allows('gpt', 'gpt-4o')).toBe(false)
})

test('no name breaks out of an example', () => {
  const curl = snippet('curl', "http://x/v1", "tm_1", "it's")
  expect(curl).toContain(`'{"model":"it'\\''s",`)
  expect(snippet('python', 'http://x/v1', 'tm_1', 'a"b')).toContain('model="a\\"b"')
  expect(snippet('node', 'http://x/v1', 'tm_1', 'a')).toContain('baseURL: "http://x/v1"')
})

test('calls are found by every way in', () => {
  expect(SURFACES).toEqual(['web', 'openai', 'ask', 'websocket', 'grpc'])
})
