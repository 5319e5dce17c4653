import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  DOLLARS, dollarsFor, formatExactMoney, formatMoney, formatMoneyRange, parseDecimal, perMillion,
} from '../../src/i18n/money'

const dollars = DOLLARS('en-US')
const won = { currency: 'KRW', rate: '1380.5', locale: 'ko-KR' }

describe('formatMoney', () => {
  test.each([
    ['0', '$0'],
    ['1', '$0.000000000001'],
    ['1250000', '$0.00000125'],
    ['9192500000', '$0.00919'],
    ['102500000', '$0.000103'],
    ['10000000000', '$0.01'],
    ['999999999999', '$1.00'],
    ['1000000000000', '$1.00'],
    ['1234567890123456', '$1,234.57'],
    ['-2500000000', '−$0.0025'],
  ])('%s picodollars read %s', (picodollars, text) => {
    expect(formatMoney(picodollars, dollars)).toBe(text)
  })

  test.each([
    ['9192500000', '₩12.7'],
    ['102500000', '₩0.142'],
    ['1000000000000', '₩1,381'],
    ['1', '₩0.00000000138'],
  ])('%s picodollars read %s in won', (picodollars, text) => {
    expect(formatMoney(picodollars, won)).toBe(text)
  })

  test('more than JavaScript numbers hold stays exact', () => {
    expect(formatExactMoney('90071992547409930000000001', dollars)).toBe('$90,071,992,547,409.930000000001')
  })

  test('a rate that is no rate shows dollars', () => {
    for (const rate of ['0', 'abc', '', '-3', '1,380']) {
      expect(formatMoney('1000000000000', { ...won, rate })).toContain('1.00')
    }
  })

  test('a code that is no currency is written out', () => {
    expect(formatMoney('2000000000000', { currency: 'TOKENS', rate: '1', locale: 'en-US' })).toBe('2.00 TOKENS')
  })

  test('what is not zero never reads as zero', () => {
    const amounts = fc.bigInt({ min: 1n, max: 10n ** 24n })
    const rates = fc.constantFrom('1', '0.0001', '1380.5', '150.123456')
    fc.assert(
      fc.property(amounts, rates, fc.constantFrom('USD', 'KRW', 'EUR'), (amount, rate, currency) => {
        const text = formatMoney(amount.toString(), { currency, rate, locale: 'en-US' })
        expect(text).toMatch(/[1-9]/)
      }),
    )
  })

  test('the exact form says exactly the amount', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), (amount) => {
        const text = formatExactMoney(amount.toString(), dollars).replace(/[$,]/g, '')
        const [whole = '0', fraction = ''] = text.split('.')
        expect(BigInt(whole + fraction.padEnd(12, '0'))).toBe(amount)
      }),
    )
  })

  test('the short form is within half a percent', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (amount) => {
        const shown = Number(formatMoney(String(amount), dollars).replace(/[$,]/g, '')) * 1e12
        expect(Math.abs(shown - amount) / amount).toBeLessThan(0.0051)
      }),
    )
  })
})

test('a range with equal ends is one figure', () => {
  expect(formatMoneyRange('1000000', '1000000', dollars)).toBe('$0.000001')
  expect(formatMoneyRange('1000000', '2000000', dollars)).toBe('$0.000001 – $0.000002')
})

test.each([
  ['2500000', 1, '2.5'],
  ['1', 1, '0.000001'],
  ['2500000000000', 1_000_000, '2.5'],
  ['10000000', 1, '10'],
])('%s picodollars per %d are %s dollars per million', (picodollars, per, text) => {
  expect(dollarsFor(picodollars, per)).toBe(text)
})

test('a tool that costs a cent for each use costs ten dollars for a thousand', () => {
  expect(dollarsFor('10000000000', 1, 1_000)).toBe('10')
})

test.each([
  ['10', 1_000, '10000'],
  ['0.5', 1_000, '500'],
  [' 2.50 ', 1_000_000, '2.5'],
  ['0', 1_000, '0'],
  ['0.000000000001', 1_000, '0.000000001'],
])('%s dollars for %d are %s for a million', (text, count, million) => {
  expect(perMillion(text, count)).toBe(million)
})

test('what is no price is none for a million either', () => {
  expect(perMillion('cheap', 1_000)).toBeNull()
})

test('decimals are read without loss, other text is refused', () => {
  expect(parseDecimal(' 1380.50 ')).toEqual({ units: 138050n, scale: 2 })
  for (const text of ['', '.', '1.', '.5', '1e3', '-1', '1,5', 'NaN']) expect(parseDecimal(text)).toBeNull()
})
