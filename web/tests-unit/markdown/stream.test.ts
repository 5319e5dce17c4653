import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { longAnswer, PIECES } from './corpus'
import { expectSameTree, newStream, streamed, whole } from './support'

const everyCharacter = (text: string): number[] => Array.from(text, (_, index) => index + 1)

describe('streamed and whole text end in the same page', () => {
  test.each(PIECES.map((piece) => [piece]))('character by character: %j', (piece) => {
    expectSameTree(streamed(piece, everyCharacter(piece)), whole(piece))
  })

  test('any pieces, joined in any way, cut anywhere', () => {
    const join = fc.constantFrom('\n\n', '\n', '', '\r\n', ' ')
    const document = fc
      .array(fc.tuple(fc.constantFrom(...PIECES), join), { minLength: 1, maxLength: 5 })
      .map((parts) => parts.flat().join(''))
    const run = document.chain((text) =>
      fc.tuple(fc.constant(text), fc.array(fc.nat(text.length), { maxLength: 40 })),
    )
    fc.assert(
      fc.property(run, ([text, cuts]) => {
        const sorted = cuts.toSorted((a, b) => a - b)
        expectSameTree(streamed(text, sorted), whole(text))
      }),
      { numRuns: 400 },
    )
  })

  test('lines of Markdown punctuation in any order, character by character', () => {
    const line = fc.constantFrom(
      '', '', 'a', '- a', '  b', '    c', '1. d', '2. e', '> q', '```', '~~~', '---', '===', '# h', '#',
      '| a | b |', '|---|---|', '| 1 |', '$$', '\\[', '\\]', '[r]: https://r.example', '"t"', '[r]', '*', '* [r]',
      '**x', 'y**', '`c', '![i][r]', '\t- t', '- ', '-', '[r', ']: https://s.example', 'x $$', '- $$',
      '> [r', '- [r]: https://t.example', "'t", "u'", "> 'v", '  ---', '> ===', '  [r]:', '1. - z', '> - y', '\\]', '   ```', '> $$',
    )
    const text = fc.array(line, { minLength: 1, maxLength: 14 }).map((lines) => lines.join('\n'))
    fc.assert(
      fc.property(text, (source) => {
        expectSameTree(streamed(source, everyCharacter(source)), whole(source))
      }),
      { numRuns: 1500 },
    )
  })
})

test('the comparison of trees tells them apart', () => {
  expect(whole('a *b*').isEqualNode(whole('a **b**'))).toBe(false)
  expect(whole('[a](https://a.example)').isEqualNode(whole('[a](https://b.example)'))).toBe(false)
})

describe('settled blocks', () => {
  test('keep their nodes while text arrives and when it ends', () => {
    const text = longAnswer(6000)
    const { container, stream } = newStream()
    let first: Element[] = []
    for (let cut = 0; cut <= text.length; cut += 64) {
      stream.update(text.slice(0, cut), true)
      const now = [...container.children]
      const settled = first.slice(0, -2)
      expect(now.slice(0, settled.length).every((node, index) => node === settled[index])).toBe(true)
      first = now
    }
    stream.update(text, false)
    expect([...container.children].slice(0, first.length - 2)).toEqual(first.slice(0, -2))
  })

  test('are opened again by a link definition that comes at the end', () => {
    const { container, stream } = newStream()
    stream.update('See [the docs].\n\nMore text.\n\nEven more.\n\n', true)
    expect(container.querySelector('a')).toBeNull()
    stream.update('See [the docs].\n\nMore text.\n\nEven more.\n\n[the docs]: https://docs.example\n', false)
    expect(container.querySelector('a')?.getAttribute('href')).toBe('https://docs.example')
  })

  test('give way when the text is another one', () => {
    const { container, stream } = newStream()
    stream.update('# One\n\ntext', true)
    stream.update('Two', true)
    expect(container.textContent).toBe('Two')
    stream.update('Two', false)
    stream.update('Two and more', true)
    expect(container.textContent).toBe('Two and more')
  })
})

describe('while text arrives', () => {
  const showing = (text: string): HTMLElement => {
    const { container, stream } = newStream()
    stream.update(text, true)
    return container
  }

  test.each([
    ['open bold is bold', '**굵', '<p><strong>굵</strong></p>'],
    ['bold that has not begun is not shown', 'a **', '<p>a </p>'],
    ['open code is code', 'a `b c', '<p>a <code>b c</code></p>'],
    ['the words of a half-written link are shown', 'a [b c](https://exa', '<p>a b c</p>'],
    ['a half-written image is not', 'a ![b](https://exa', '<p>a </p>'],
    ['a lone star is a star', 'a * b', '<p>a * b</p>'],
    ['figures with a tilde stay', '1~3개', '<p>1~3개</p>'],
    ['a dash waits for what follows', 'para\n-', '<p>para</p>'],
    ['a table head waits for its rule', 'a\n\n| b | c |\n|--', '<p>a</p>'],
  ])('%s', (_, text, html) => {
    expect(showing(text).innerHTML).toBe(html)
  })

  test('a closing fence on its way is not shown as code', () => {
    expect(showing('```\ncode\n``').querySelector('code')?.textContent).toBe('code\n')
  })
})

test.each([
  ['a line of spaces', `${' '.repeat(30_000)}x`],
  ['opened addresses', '<https://'.repeat(3_000)],
  ['opened links', '[a]('.repeat(6_000)],
  ['opened code', Array.from({ length: 200 }, (_, index) => `${'`'.repeat(index + 1)}a`).join('')],
  ['opened formulas', '\\('.repeat(10_000)],
  ['opened blocks of formulas', '$$ a\n'.repeat(5_000)],
  ['nested quotes', '>'.repeat(5_000)],
  ['nested stars', `${'*a '.repeat(4_000)}${'a* '.repeat(4_000)}`],
  ['nested lists', Array.from({ length: 300 }, (_, index) => `${' '.repeat(index * 2)}- a\n`).join('')],
  ['stars', '*a '.repeat(8_000)],
])('%s do not hold up the page', { timeout: 30_000 }, (_, text) => {
  const half = text.length / 2
  expectSameTree(streamed(text, [half, half + 1, text.length]), whole(text))
})
