/** Markdown that is awkward to stream: each piece has something that later text decides. */
export const PIECES: readonly string[] = [
  '# 제목\n\n본문은 **비용(USD)**은 굵게, *기울임*도, ~~지움~~도 됩니다.',
  '## Setext and friends\n\nTitle\n=====\n\nOther\n---\n\npara\n- item\n- item\n-',
  '- a\n- b\n  - c\n\n    para in c\n  - d\n\n- loose\n\n\n1. one\n2. two\n   ```py\n   x = 1\n   ```\n3. three\n\nend',
  '| 모델 | 입력 | 출력 |\n|:---|---:|:---:|\n| gpt | $5 | 10 |\n| x<br>y | `a|b` | |\n',
  'para\n| a | b |\n|---|---|\n| 1 | 2 |\nlazy row\n\nafter',
  '```python\ndef f(x):\n    return x  # 한글 주석\n\n\nprint(f(1))\n```\ntext right after',
  '````md\n```\nnested\n```\n````\n\n~~~\ntilde\n',
  '    indented\n\n    code\n\nafter code',
  '> quote\nlazy\n> more\n\n> second\n>\n> ```\n> fenced\n\nout',
  '$$\nE = mc^2\n$$\nand $x_1$은 변수, $5 and $6, $20 and 30$ dollars, \\(a+b\\) \\[c\\]',
  'text\n$$\n- not\n- closed\n\nmore text',
  '\\[\n\\int_0^1 x\\,dx\n\\]\n\n$$a$$ inline $$b$$',
  '[later] and [text][ref] and ![img][pic] and [full](https://example.com "t").\n\nmore\n\n[later]: https://later.example/x\n"its title"\n[ref]: <https://ref.example>\n[pic]: https://pic.example/p.png\n\nafter [later] [REF]',
  "[foo]: /relative\n[bar]: https://bar.example\n'title\nmore title'\n\n[bar] [foo]",
  '> [inq]: https://inq.example\n\n[inq] here',
  '[a]: https://one.example\n\n[a]: https://two.example\n\n[a]',
  'see https://example.com/path를 보세요. www.x.com a@b.example <https://auto.example> `https://code.example`',
  '<script>alert(1)</script>\n<div onclick="x">\n\n<b>bold</b> &amp; &lt; &#x41; \\*esc\\* a\\\nb  \nc',
  '- [ ] open\n- [x] **done**\n- [X] third\n\n  loose para\n- [y] no',
  '***\n---\n___\n\n* * *\n\n#\n#tag\n# \n####### seven',
  '**bold _nested `code` x_** *a **b** c* ***both*** __한글__입니다 **"인용"**은',
  '![alt *x*](https://img.example/a.png) ![d](data:image/png;base64,iVBORw0KGgo=) [![in](https://i.example/i.png)](https://l.example)',
  '[bad](javascript:alert(1)) [rel](/settings) [mail](mailto:x@y.example) [https://good.example](https://evil.example)',
  'a\r\nb\r\n\r\n- c\r\n- d\r\n',
  '이모지 👩‍👩‍👧‍👦 🎉 끝\n\n한글\u0000영',
  '1) x\n2) y\n\n10. z\n-',
  'term\n\n+ plus\n* star\n- dash\n',
  '`` a ` b `` and `unclosed and **open',
  '```js\nconst a = `x`\n``` not a close\n``',
  'ends with backslash \\',
  'H\n=',
  '|only header|\n',
  '- \n\n  x\n-\n  y\n',
  '1. a\n\n   b\n\n\n\n2. c\n***\n3. d',
  '[r\n===\n]: https://s.example\n\n[r ===]',
  "[a]: https://s.example\n'title\n===\nend'\n\n[a]",
  "- [r]: https://t.example\n't\n\\[\n\\]\nu'\n",
  '> [r\n> ===\n| a | b |\n]: https://s.example',
  '> [r\n> ===\n    c\nfoo\n]: https://s.example\n',
  '- item\n$$\nx\n$$\nafter',
  '[multi\nline]: https://ml.example\n\n[multi line]',
]

/** A long answer as a model would write it: Korean and English, every kind of block. */
export function longAnswer(characters: number): string {
  let out = ''
  for (let index = 0; out.length < characters; index++) {
    out += `## ${index + 1}. 토큰 비용 계산\n\n`
    out +=
      'GPT 모델의 **비용(USD)**은 *입력 토큰*과 출력 토큰을 따로 셉니다. The price of a message is the sum of its parts, as [the table](https://example.com/prices) shows, and `usage.prompt_tokens` says how many were sent. '
    out += '한국어는 영어보다 토큰이 조금 더 들고, 캐시된 앞부분은 값이 낮습니다.\n\n'
    if (index % 2 === 0) out += '| 모델 | 입력 | 출력 |\n|---|---:|---:|\n| gpt-a | $2.50 | $10.00 |\n| gpt-b | $0.15 | $0.60 |\n\n'
    if (index % 3 === 0) out += '```python\ndef cost(prompt: int, completion: int) -> int:\n    """피코달러로 계산한다."""\n    return prompt * 2_500_000 + completion * 10_000_000\n```\n\n'
    if (index % 4 === 1) out += '- 첫째: **정확한** 값\n- 둘째: 남는 값\n  - 안쪽 항목 $x_i$\n- [x] 끝남\n\n'
    if (index % 5 === 2) out += '$$\nC = \\sum_i p_i t_i\n$$\n\n> 인용: 모든 토큰을 센다.\n\n'
  }
  return out.slice(0, characters)
}
