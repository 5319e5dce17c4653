import { CodeView } from './code'
import type { MarkdownLabels } from './labels'
import type { VCode, VElement, VMath, VNode } from './nodes'

/** A formula's place in the page; it holds the source until the formula is set. */
export interface MathSpot {
  element: HTMLElement
  tex: string
  display: boolean
}

/** Told of code and formulas that are complete and can be dressed up when there is time. */
export interface Dresser {
  code(view: CodeView): void
  math(spot: MathSpot): void
}

/**
 * Makes and updates DOM from nodes with createElement and text nodes only: no
 * string is ever parsed as markup, so nothing a model writes can become any.
 */
export class DomBuilder {
  readonly #labels: MarkdownLabels
  readonly #dresser: Dresser
  readonly #code = new WeakMap<Node, CodeView>()

  constructor(labels: MarkdownLabels, dresser: Dresser) {
    this.#labels = labels
    this.#dresser = dresser
  }

  create(vnode: VNode): Node {
    if (typeof vnode === 'string') return document.createTextNode(vnode)
    switch (vnode.kind) {
      case 'code':
        return this.#createCode(vnode)
      case 'math':
        return this.#createMath(vnode)
      case 'element': {
        const node = document.createElement(vnode.tag)
        for (const [name, value] of Object.entries(vnode.attrs)) node.setAttribute(name, value)
        for (const kid of vnode.kids) node.append(this.create(kid))
        return node
      }
    }
  }

  /** Makes `node`, which shows `previous`, show `next`; returns the node that does. */
  patch(node: Node, previous: VNode, next: VNode): Node {
    if (previous === next) return node
    if (typeof previous === 'string' || typeof next === 'string') {
      if (typeof previous === 'string' && typeof next === 'string') {
        patchText(node as Text, previous, next)
        return node
      }
    } else if (previous.kind === 'element' && next.kind === 'element' && previous.tag === next.tag) {
      patchAttributes(node as HTMLElement, previous, next)
      this.#patchKids(node, previous.kids, next.kids)
      return node
    } else if (previous.kind === 'code' && next.kind === 'code') {
      this.#patchCode(node, next)
      return node
    } else if (previous.kind === 'math' && next.kind === 'math' && sameMath(previous, next)) {
      return node
    }
    const made = this.create(next)
    node.parentNode?.replaceChild(made, node)
    return made
  }

  #patchKids(parent: Node, previous: readonly VNode[], next: readonly VNode[]): void {
    if (previous === next) return
    const shared = Math.min(previous.length, next.length)
    for (let index = 0; index < shared; index++) {
      const before = previous[index]
      const after = next[index]
      const node = parent.childNodes[index]
      if (before === after || before === undefined || after === undefined || node === undefined) continue
      this.patch(node, before, after)
    }
    while (parent.childNodes.length > next.length) parent.lastChild?.remove()
    for (const vnode of next.slice(shared)) parent.appendChild(this.create(vnode))
  }

  #createCode(vnode: VCode): Node {
    const view = new CodeView(vnode, this.#labels)
    this.#code.set(view.element, view)
    if (vnode.closed) this.#dresser.code(view)
    return view.element
  }

  #patchCode(node: Node, next: VCode): void {
    const view = this.#code.get(node)
    if (view === undefined) return
    const { closed, text, language } = view.shown
    if (next.text === text && next.language === language && next.closed === closed) return
    view.update(next)
    if (next.closed) this.#dresser.code(view)
  }

  #createMath(vnode: VMath): Node {
    const node = document.createElement('span')
    node.className = vnode.display ? 'math math-display' : 'math'
    node.textContent = vnode.source
    if (vnode.display) node.tabIndex = 0
    if (vnode.closed) this.#dresser.math({ element: node, tex: vnode.tex, display: vnode.display })
    return node
  }
}

const sameMath = (a: VMath, b: VMath): boolean =>
  a.source === b.source && a.display === b.display && a.closed === b.closed

function patchText(node: Text, previous: string, next: string): void {
  if (previous === next) return
  // Appending lets the browser keep the lines it has laid out already.
  if (next.startsWith(previous)) node.appendData(next.slice(previous.length))
  else node.data = next
}

function patchAttributes(node: HTMLElement, previous: VElement, next: VElement): void {
  if (previous.attrs === next.attrs) return
  for (const name of Object.keys(previous.attrs)) {
    if (!Object.hasOwn(next.attrs, name)) node.removeAttribute(name)
  }
  for (const [name, value] of Object.entries(next.attrs)) {
    if (previous.attrs[name] !== value) node.setAttribute(name, value)
  }
}
