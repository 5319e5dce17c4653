import { describe, expect, test } from 'vitest'
import { en } from '../../src/i18n/en'
import { ko } from '../../src/i18n/ko'
import { chooseLanguage, fill, placesOf } from '../../src/i18n/translate'

const keys = Object.keys(en) as (keyof typeof en)[]

describe('the dictionaries', () => {
  test('have the same keys', () => {
    expect(Object.keys(ko).sort()).toEqual([...keys].sort())
  })

  test.each(keys)('%s has the same places in both', (key) => {
    expect(placesOf(ko[key]).sort()).toEqual(placesOf(en[key]).sort())
  })

  test.each(keys)('%s says something in both', (key) => {
    expect(en[key].trim()).not.toBe('')
    expect(ko[key].trim()).not.toBe('')
  })

  test('Korean sentences are in the formal polite style', () => {
    const sentences = keys.flatMap((key) => ko[key].split(/(?<=[.?])\s+/)).filter((text) => /[가-힣][.?]$/.test(text))
    const informal = sentences.filter((text) => !/(니다|십시오|니까)[.?]$/.test(text))
    expect(informal).toEqual([])
  })

  test('every Korean text is Korean, apart from names', () => {
    const names = new Set<string>(['temperature', 'top_p'])
    const foreign = keys.filter((key) => !/[가-힣]/.test(ko[key].replace(/\{[^}]*\}/g, '')) && !names.has(key))
    expect(foreign).toEqual([])
  })
})

describe('fill', () => {
  test('groups numbers in the language’s way and leaves text alone', () => {
    expect(fill('{n} / {name}', { n: 1234567, name: '1234' }, 'en-US')).toBe('1,234,567 / 1234')
  })

  test('chooses the word by whether the number is one', () => {
    const text = '{n} {n|token|tokens}'
    expect([0, 1, 2].map((n) => fill(text, { n }, 'en-US'))).toEqual(['0 tokens', '1 token', '2 tokens'])
  })

  test('does not fill places inside of values', () => {
    expect(fill('{a}', { a: '{b}', b: 'no' }, 'en-US')).toBe('{b}')
  })
})

test.each([
  [null, ['ko-KR', 'en'], 'ko'],
  ['auto', ['fr', 'ko', 'en'], 'ko'],
  ['auto', ['fr-FR', 'de'], 'en'],
  [null, ['en-GB', 'ko'], 'en'],
  ['ko', ['en'], 'ko'],
  ['en', ['ko'], 'en'],
] as const)('setting %s with browser %j speaks %s', (setting, preferred, spoken) => {
  expect(chooseLanguage(setting, preferred)).toBe(spoken)
})
