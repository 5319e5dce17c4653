/** What a block looks like, before there is a DOM: plain values that can be compared and reused. */
export type VNode = string | VElement | VCode | VMath

export interface VElement {
  kind: 'element'
  tag: string
  attrs: Readonly<Record<string, string>>
  kids: readonly VNode[]
}

export interface VCode {
  kind: 'code'
  language: string
  text: string
  /** False while the closing fence has not arrived; highlighting waits for it. */
  closed: boolean
}

export interface VMath {
  kind: 'math'
  tex: string
  /** As written, shown until the formula is set and when it cannot be. */
  source: string
  display: boolean
  closed: boolean
}

const none = Object.freeze({})

export function element(tag: string, kids: readonly VNode[], attrs: Record<string, string> = none): VElement {
  return { kind: 'element', tag, attrs, kids: joined(kids) }
}

/** Adjacent texts become one, so that a tree does not show how it was put together. */
export function joined(kids: readonly VNode[]): VNode[] {
  const out: VNode[] = []
  for (const kid of kids) {
    const last = out.at(-1)
    if (typeof kid === 'string' && typeof last === 'string') out[out.length - 1] = last + kid
    else if (kid !== '') out.push(kid)
  }
  return out
}

export function textOf(kids: readonly VNode[]): string {
  return kids
    .map((kid) => {
      if (typeof kid === 'string') return kid
      if (kid.kind === 'element') return textOf(kid.kids)
      return kid.kind === 'code' ? kid.text : kid.source
    })
    .join('')
}
