import fc from 'fast-check'
import { expect, test } from 'vitest'
import { askedOf, countOf, filterOf, noFilter, queryOf, SORTS, SPANS, TEXTS, type CallFilter } from '../../src/gateway/call-filter'

const NOW = Date.UTC(2026, 10, 28, 12)

test('the plain list has the plain address', () => {
  expect(queryOf(noFilter())).toBe('')
  expect(filterOf('')).toEqual(noFilter())
})

test('every filter is found again by its address', () => {
  const text = fc.string({ maxLength: 40, unit: 'grapheme' })
  const day = fc.constantFrom('', '2026-11-28', '2026-01-01')
  const filters: fc.Arbitrary<CallFilter> = fc
    .record({
      ...(Object.fromEntries(TEXTS.map((name) => [name, text])) as Record<(typeof TEXTS)[number], typeof text>),
      span: fc.constantFrom(...SPANS), first: day, last: day, unpriced: fc.boolean(), sort: fc.constantFrom(...SORTS),
    })
    .map((filter) => (filter.span === 'days' ? filter : { ...filter, first: '', last: '' }))
  fc.assert(
    fc.property(filters, (filter) => {
      expect(filterOf(queryOf(filter))).toEqual(filter)
    }),
  )
})

test('what an address cannot ask for is as if it were not there', () => {
  expect(filterOf('?span=year&sort=name&first=soon&unpriced=yes&colour=red')).toEqual(noFilter())
})

test('the server is asked for a time in microseconds, and only for what is set', () => {
  expect(askedOf({ ...noFilter(), span: 'all' }, NOW).toString()).toBe('')
  expect(askedOf({ ...noFilter(), span: 'hour', model: 'gpt 4+' }, NOW).toString()).toBe(
    `model=gpt+4%2B&from=${(NOW - 3_600_000) * 1000}`,
  )
  const days = askedOf({ ...noFilter(), span: 'days', first: '2026-11-27', last: '2026-11-27' }, NOW)
  expect(Number(days.get('from'))).toBe(new Date(2026, 10, 27).getTime() * 1000)
  expect(Number(days.get('to'))).toBe(new Date(2026, 10, 28).getTime() * 1000)
  expect(askedOf({ ...noFilter(), span: 'days' }, NOW).toString()).toBe('')
  expect(askedOf({ ...noFilter(), span: 'all', unpriced: true, sort: 'cost' }, NOW).toString()).toBe('unpriced=1&sort=cost')
})

test('filters are counted, the time and the order are not', () => {
  expect(countOf({ ...noFilter(), span: 'day', sort: 'cost' })).toBe(0)
  expect(countOf({ ...noFilter(), model: 'a', tag: 'b', unpriced: true })).toBe(3)
})
