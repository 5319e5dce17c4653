import { describe, expect, test } from 'vitest'
import { newStream, whole } from './support'

const html = (text: string): string => whole(text).innerHTML

describe('Korean', () => {
  test.each([
    ['**비용(USD)**은', '<p><strong>비용(USD)</strong>은</p>'],
    ['**"인용"**이라고', '<p><strong>"인용"</strong>이라고</p>'],
    ['값은 **`x`**입니다', '<p>값은 <strong><code>x</code></strong>입니다</p>'],
    ['*강조!*는', '<p><em>강조!</em>는</p>'],
    ['~~취소(함)~~을', '<p><s>취소(함)</s>을</p>'],
    ['**가**나**다**', '<p><strong>가</strong>나<strong>다</strong></p>'],
  ])('%s', (text, expected) => {
    expect(html(text)).toBe(expected)
  })

  test('a particle after an address is not part of it', () => {
    const link = whole('https://example.com/path를 보세요').querySelector('a')
    expect(link?.getAttribute('href')).toBe('https://example.com/path')
    expect(whole('https://example.com에서').querySelector('a')?.textContent).toBe('https://example.com')
    const path = whole('https://ko.wikipedia.org/wiki/서울').querySelector('a')
    expect(decodeURI(path?.getAttribute('href') ?? '')).toBe('https://ko.wikipedia.org/wiki/서울')
  })
})

describe('links', () => {
  test('say where they go unless their text does', () => {
    const host = (text: string): string | undefined => whole(text).querySelector('.link-host')?.textContent
    expect(host('[docs](https://docs.example/a)')).toBe('docs.example')
    expect(host('[docs.example](https://www.docs.example/a)')).toBeUndefined()
    expect(host('See https://docs.example/a.')).toBeUndefined()
    expect(host('[https://good.example](https://evil.example)')).toBe('evil.example')
    expect(host('[evil.example.good.example](https://evil.example)')).toBe('evil.example')
    expect(host('[write](mailto:a@b.example)')).toBe('a@b.example')
  })

  test('open elsewhere, without a trace', () => {
    const link = whole('[a](https://a.example)').querySelector('a')
    expect(link?.getAttribute('rel')).toBe('noopener noreferrer nofollow')
    expect(link?.getAttribute('target')).toBe('_blank')
  })

  test.each(['javascript:alert(1)', 'JaVaScRiPt:x', 'vbscript:x', 'data:text/html,x', 'file:///etc', '/settings', '#x', 'ftp://a.example'])(
    'to %s are text',
    (url) => {
      expect(whole(`[x](${url}) <${url}> ![i](${url})\n\n[r]\n\n[r]: ${url}`).querySelector('a, img')).toBeNull()
    },
  )

  test('to a picture in the text are text, and the picture is shown', () => {
    const url = 'data:image/png;base64,iVBORw0KGgo='
    expect(whole(`[x](${url})`).querySelector('a')).toBeNull()
    expect(whole(`![x](${url})`).querySelector('img')?.getAttribute('src')).toBe(url)
  })
})

test('a picture on another host is a link that names the host', () => {
  const { container } = { container: whole('![고양이](https://img.example/c.png)') }
  expect(container.querySelector('img')).toBeNull()
  const link = container.querySelector('a.image-placeholder')
  expect(link?.textContent).toContain('고양이')
  expect(link?.textContent).toContain('img.example')
  expect(link?.getAttribute('target')).toBe('_blank')
})

test('markup in the text stays text', () => {
  const container = whole('<img src=x onerror=alert(1)>\n\n<script>x</script> a<br>b <svg/onload=x>')
  expect(container.querySelectorAll('img, script, svg').length).toBe(0)
  expect(container.querySelectorAll('br').length).toBe(1)
  expect(container.textContent).toContain('<script>x</script>')
})

describe('math', () => {
  const formulas = (text: string): string[] => {
    const { stream, dresser } = newStream()
    stream.update(text, false)
    return dresser.spots.map(({ tex }) => tex)
  }

  test.each([
    ['$x_1$은 변수', ['x_1']],
    ['값은$x$이다', ['x']],
    ['\\(a+b\\)와 \\[c\\]', ['a+b', 'c']],
    ['$$\nE = mc^2\n$$', ['E = mc^2']],
    ['\\[\nx\n\\]', ['x']],
    ['a $$b$$ c', ['b']],
    ['$2^n$ and $3$', ['2^n', '3']],
    ['- $$\n  x\n  $$', ['x']],
    ['$5 and $6', []],
    ['$5~$6', []],
    ['$20 and 30$ dollars', []],
    ['$5에서 10$까지', []],
    ['US$5 and US$', []],
    ['a $ b $ c', []],
    ['\\$x\\$', []],
    ['`$x$`', []],
    ['$$\n\nx\n\n$$', []],
    ['$$\nx', []],
  ])('%j', (text, expected) => {
    expect(formulas(text)).toEqual(expected)
  })

  test('a formula without an end is shown as written', () => {
    expect(whole('$$\nx + y').textContent).toBe('$$\nx + y')
  })
})

describe('blocks', () => {
  test('tasks are ticked boxes with a name', () => {
    const boxes = [...whole('- [ ] a\n- [x] b').querySelectorAll('input')]
    expect(boxes.map((box) => [box.checked, box.disabled, box.getAttribute('aria-label')])).toEqual([
      [false, true, 'Not done'],
      [true, true, 'Done'],
    ])
  })

  test('headings stand below those of the page', () => {
    expect(html('# a')).toBe('<h3 data-level="1">a</h3>')
    expect(html('###### a')).toBe('<h6 data-level="6">a</h6>')
  })

  test('a table scrolls in its own box and aligns its columns', () => {
    const container = whole('| a | b |\n|---|---:|\n| 1 | 2 |')
    expect(container.querySelector('.table-scroll > table td[data-align="right"]')?.textContent).toBe('2')
    expect(container.querySelector('[style]')).toBeNull()
  })

  test('code keeps its text in boxes of lines', () => {
    const code = Array.from({ length: 100 }, (_, index) => `line ${index}\n`).join('')
    const container = whole('```python\n' + code + '```')
    expect(container.querySelector('code')?.textContent).toBe(code)
    expect(container.querySelectorAll('.code-lines').length).toBe(4)
    expect(container.querySelector('.code-language')?.textContent).toBe('python')
  })

  test('code waits for its fence before it is coloured', () => {
    const { stream, dresser } = newStream()
    stream.update('```js\na\n', true)
    expect(dresser.codes.length).toBe(0)
    stream.update('```js\na\n```\n', true)
    expect(dresser.codes.length).toBe(1)
    stream.update('```js\na\n```\n\nmore', false)
    expect(dresser.codes.length).toBe(1)
  })
})
