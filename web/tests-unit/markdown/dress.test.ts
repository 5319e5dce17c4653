import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { CodeView } from '../../src/markdown/code'
import { setFormula } from '../../src/markdown/formula'
import { highlightRuns } from '../../src/markdown/highlight'
import { englishLabels } from '../../src/markdown/labels'

const view = (text: string, language = 'python'): CodeView =>
  new CodeView({ kind: 'code', language, text, closed: true }, englishLabels)

const codeOf = (shown: CodeView): Element => shown.element.querySelector('code') ?? shown.element

describe('colouring', () => {
  test('names what it colours', () => {
    const runs = [...highlightRuns('python', 'def f():\n    return "한글"  # 주석\n')]
    expect(runs).toContainEqual({ kind: 'keyword', text: 'def' })
    expect(runs).toContainEqual({ kind: 'string', text: '"한글"' })
    expect(runs).toContainEqual({ kind: 'comment', text: '# 주석' })
  })

  test('never changes the text, in any language and of any length', () => {
    const statement = fc.constantFrom(
      'x = 1\n', '\n', '"""\n', "'", '/* a\n', '*/', '<div class="a">', '`${b}`', '한글 ', '{', '}\n', '\n\ndef f():\n', '# c\n', '\\',
    )
    const code = fc.array(statement, { maxLength: 40 }).map((parts) => parts.join(''))
    const language = fc.constantFrom('python', 'typescript', 'html', 'bash', 'markdown', 'c++', 'json', 'diff', 'php')
    fc.assert(
      fc.property(code, language, fc.nat(300), (text, name, times) => {
        const long = text.repeat(Math.min(times, Math.ceil(20_000 / (text.length + 1))))
        const shown = view(long, name)
        const boxes = codeOf(shown).children.length
        for (const _ of shown.colour(highlightRuns(name, long))) continue
        expect(codeOf(shown).textContent).toBe(long)
        expect(codeOf(shown).children.length).toBe(boxes)
      }),
      { numRuns: 60 },
    )
  })

  test('leaves a language it does not know plain', () => {
    expect([...highlightRuns('klingon', 'x')]).toEqual([])
  })

  test('stops when the text changes, and plain text takes its place', () => {
    const text = 'x = 1\n'.repeat(100)
    const shown = view(text)
    const work = shown.colour(highlightRuns('python', text))
    work.next()
    expect(codeOf(shown).querySelector('[class^="tok-"]')).not.toBeNull()
    shown.update({ kind: 'code', language: 'python', text: `${text}y\n`, closed: false })
    expect(work.next().done).toBe(true)
    expect(codeOf(shown).querySelector('[class^="tok-"]')).toBeNull()
    expect(codeOf(shown).textContent).toBe(`${text}y\n`)
  })
})

describe('formulas', () => {
  afterEach(() => vi.restoreAllMocks())

  const spot = (tex: string): HTMLElement => {
    const element = document.createElement('span')
    element.textContent = tex
    setFormula({ element, tex, display: true })
    return element
  }

  test('are set for the eye and for a screen reader', () => {
    const element = spot('E = mc^2')
    expect(element.querySelector('.katex-html')).not.toBeNull()
    expect(element.querySelector('math')).not.toBeNull()
    expect(element.classList.contains('math-set')).toBe(true)
  })

  test('keep the few styles that KaTeX writes as attributes', () => {
    expect(spot('\\vec{v}').querySelector('svg')?.style.width).toBe('0.471em')
  })

  test.each(['\\frac{1}', '\\unknowncommand', '\\def\\a{\\a\\a}\\a', '{'])('%s stays as written', (tex) => {
    const element = spot(tex)
    expect(element.textContent).toBe(tex)
    expect(element.classList.contains('math-failed')).toBe(true)
  })

  test('take Korean without a word', () => {
    const warn = vi.spyOn(console, 'warn')
    expect(spot('C_{방} = 1원').classList.contains('math-set')).toBe(true)
    expect(warn).not.toHaveBeenCalled()
  })

  test('make no links and load no images', () => {
    const element = spot('\\href{https://evil.example}{x}')
    expect(element.querySelector('a')).toBeNull()
    expect(spot('\\includegraphics{https://evil.example/x.png}').querySelector('img')).toBeNull()
  })
})
