import type { Token } from 'markdown-it'
import type { MarkdownLabels } from './labels'
import { hostOf, isInlineImage, isSafeLink, showsHost } from './links'
import type { MathMeta } from './math'
import { element, joined, textOf, type VElement, type VNode } from './nodes'
import { attribute } from './parser'

const MARKS: Readonly<Record<string, string>> = { em_open: 'em', strong_open: 'strong', s_open: 's' }
const OUTBOUND = { target: '_blank', rel: 'noopener noreferrer nofollow' }

/** Marks nested deeper than anyone writes lose their effect, and cannot exhaust the stack. */
const DEEPEST = 40

interface Frame {
  open: Token | null
  kids: VNode[]
}

/** Turns the inline tokens of one paragraph into nodes. */
export function inlineNodes(tokens: readonly Token[], labels: MarkdownLabels): VNode[] {
  const root: Frame = { open: null, kids: [] }
  const stack: Frame[] = [root]
  let links = 0
  for (const token of tokens) {
    const top = stack.at(-1) ?? root
    if (token.nesting === 1) {
      if (token.type === 'link_open') links++
      stack.push({ open: token, kids: [] })
    } else if (token.nesting === -1) {
      if (token.type === 'link_close') links--
      stack.pop()
      const parent = stack.at(-1) ?? root
      for (const kid of stack.length > DEEPEST ? top.kids : closed(top)) parent.kids.push(kid)
    } else {
      top.kids.push(leaf(token, links > 0, labels))
    }
  }
  return joined(root.kids)
}

function closed({ open, kids }: Frame): VNode[] {
  if (open === null) return kids
  if (open.type === 'link_open') return link(attribute(open, 'href'), attribute(open, 'title'), kids)
  const tag = MARKS[open.type]
  return tag === undefined ? kids : [element(tag, kids)]
}

function link(href: string, title: string, kids: VNode[]): VNode[] {
  if (!isSafeLink(href)) return kids
  const anchor = element('a', kids, { href, ...(title === '' ? {} : { title }), ...OUTBOUND })
  const goesTo = /^mailto:/i.test(href) ? href.slice('mailto:'.length).replace(/\?.*$/s, '') : hostOf(href)
  if (goesTo === '' || showsHost(textOf(kids), goesTo.toLowerCase())) return [anchor]
  return [anchor, element('span', [goesTo], { class: 'link-host' })]
}

function leaf(token: Token, inLink: boolean, labels: MarkdownLabels): VNode {
  switch (token.type) {
    case 'softbreak':
      return '\n'
    case 'hardbreak':
      return element('br', [])
    case 'code_inline':
      return element('code', [token.content])
    case 'image':
      return image(token, inLink, labels)
    case 'math_inline': {
      const { display, closed: ended } = token.meta as unknown as MathMeta
      return { kind: 'math', tex: token.content, source: token.markup, display, closed: ended }
    }
    default:
      return token.content
  }
}

/**
 * A picture that travels in the text is shown. One on another host is a link
 * that names the host: loading it would tell that host who reads what.
 */
function image(token: Token, inLink: boolean, labels: MarkdownLabels): VElement | string {
  const alt = textOf(inlineNodes(token.children ?? [], labels))
  const src = attribute(token, 'src')
  if (isInlineImage(src)) return element('img', [], { src, alt, loading: 'lazy' })
  const host = hostOf(src)
  if (inLink || host === '') return alt
  const where = element('span', [labels.imagePlaceholder(host)], { class: 'image-host' })
  const action = element('span', [labels.loadImage], { class: 'image-action' })
  const name = element('span', [alt], { class: 'image-alt' })
  return element('a', [...(alt === '' ? [] : [name]), where, action], {
    class: 'image-placeholder',
    href: src,
    ...OUTBOUND,
  })
}
