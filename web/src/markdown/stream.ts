import { blockNode, InlineMemo } from './blocks'
import { undecided } from './complete'
import { DomBuilder, type Dresser } from './dom'
import type { MarkdownLabels } from './labels'
import type { VNode } from './nodes'
import { normalizeLabel, parseBlocks, type Block, type References } from './parser'
import { settledCount } from './settle'

interface Shown {
  vnode: VNode
  node: Node
}

/** A settled block with brackets in it: a definition that comes later may turn one into a link. */
interface Reopenable extends Shown {
  source: string
}

/**
 * Shows Markdown that grows. Top-level blocks that no later text can change are
 * settled: parsed once and never looked at again, except when a link definition
 * arrives that they wait for. Only the blocks after them, the tail, are parsed
 * again when text arrives. Whole and streamed text end in the same DOM.
 */
export class MarkdownStream {
  readonly #container: HTMLElement
  readonly #labels: MarkdownLabels
  readonly #builder: DomBuilder
  #memo = new InlineMemo()
  #text = ''
  #ended = false
  #carriageReturn = false
  #source = ''
  #tail: Shown[] = []
  #references: References = Object.create(null) as References
  #reopenable: Reopenable[] = []

  constructor(container: HTMLElement, labels: MarkdownLabels, dresser: Dresser) {
    this.#container = container
    this.#labels = labels
    this.#builder = new DomBuilder(labels, dresser)
  }

  /** Shows `text`; while `streaming`, more is expected to follow it. */
  update(text: string, streaming: boolean): void {
    if (text === this.#text && this.#ended === !streaming) return
    if (this.#ended || !text.startsWith(this.#text)) this.#reset()
    this.#take(text.slice(this.#text.length))
    this.#text = text
    this.#ended = !streaming
    const keptBack = streaming ? undecided(this.#source) : 0
    this.#show(this.#source.slice(0, this.#source.length - keptBack), streaming)
  }

  #reset(): void {
    this.#container.replaceChildren()
    this.#memo = new InlineMemo()
    this.#text = ''
    this.#carriageReturn = false
    this.#source = ''
    this.#tail = []
    this.#references = Object.create(null) as References
    this.#reopenable = []
  }

  /** Adds text with its line ends made one kind, also where "\r\n" arrives in two pieces. */
  #take(added: string): void {
    if (added === '') return
    const fresh = this.#carriageReturn && added.startsWith('\n') ? added.slice(1) : added
    this.#carriageReturn = added.endsWith('\r')
    this.#source += fresh.replace(/\r\n?/g, '\n').replaceAll('\0', '\ufffd')
  }

  #show(visible: string, streaming: boolean): void {
    const { blocks, defined } = parseBlocks(visible, this.#references, streaming)
    const lines = visible.split('\n')
    const offsets = lineOffsets(lines)
    const count = streaming ? settledCount(blocks, lines) : blocks.length
    const end = streaming ? (offsets[blocks[count]?.start ?? 0] ?? 0) : visible.length
    const inTail = Object.entries(defined)
    const ready = this.#settledBlocks(visible.slice(0, end), blocks.slice(0, count), inTail.length > 0)
    this.#memo.begin(JSON.stringify([Object.keys(this.#references).length, inTail]))
    const context = { labels: this.#labels, references: this.#references, memo: this.#memo }
    const ownMemo = inTail.length > 0 ? { memo: new InlineMemo() } : {}
    const settled = ready.map((block) => blockNode(block, { ...context, ...ownMemo }))
    const growing = streaming && !visible.endsWith('\n\n')
    const rest = blocks.slice(count)
    const tail = rest.map((block, index) =>
      blockNode(block, { ...context, references: defined }, growing && index === rest.length - 1),
    )
    this.#patchTail([...settled, ...tail])
    const ends = [...ready.slice(1).map(({ start }) => offsets[start] ?? end), end]
    if (count > 0 || !streaming) this.#settle(ready, settled, visible, ends)
  }

  /**
   * The blocks about to settle. Where the tail defines links they are parsed
   * again without it, for a definition that is still growing must not be used.
   */
  #settledBlocks(source: string, blocks: Block[], mayUseTail: boolean): Block[] {
    if (blocks.length === 0 && source === '') return []
    if (!mayUseTail) return blocks
    const { blocks: fresh, defined } = parseBlocks(source, this.#references)
    const labels = Object.keys(defined)
    if (labels.length > 0) {
      this.#references = Object.assign(Object.create(null), this.#references, defined) as References
      this.#reopen(labels)
    }
    return fresh
  }

  #patchTail(vnodes: (VNode | null)[]): void {
    const next = vnodes.filter((vnode) => vnode !== null)
    for (const { node } of this.#tail.slice(next.length)) this.#container.removeChild(node)
    this.#tail = next.map((vnode, index) => {
      const shown = this.#tail[index]
      if (shown !== undefined) return { vnode, node: this.#builder.patch(shown.node, shown.vnode, vnode) }
      return { vnode, node: this.#container.appendChild(this.#builder.create(vnode)) }
    })
  }

  /** Moves blocks from the tail to the settled; `ends` says where in `visible` each of them ends. */
  #settle(blocks: Block[], vnodes: (VNode | null)[], visible: string, ends: number[]): void {
    let taken = 0
    let from = 0
    for (const [index, block] of blocks.entries()) {
      const source = visible.slice(from, ends[index])
      from = ends[index] ?? from
      const shown = vnodes[index] === null ? undefined : this.#tail[taken++]
      if (shown === undefined || block.type === 'fence' || !source.includes('[')) continue
      this.#reopenable.push({ ...shown, source })
    }
    this.#tail = this.#tail.slice(taken)
    this.#source = this.#source.slice(ends.at(-1))
  }

  #reopen(labels: readonly string[]): void {
    const context = { labels: this.#labels, references: this.#references, memo: new InlineMemo() }
    for (const entry of this.#reopenable) {
      const written = normalizeLabel(entry.source)
      if (!labels.some((label) => /\s/.test(label) || written.includes(label))) continue
      const block = parseBlocks(entry.source, this.#references).blocks[0]
      const vnode = block === undefined ? null : blockNode(block, context)
      if (vnode === null) continue
      entry.node = this.#builder.patch(entry.node, entry.vnode, vnode)
      entry.vnode = vnode
    }
  }
}

function lineOffsets(lines: readonly string[]): number[] {
  let offset = 0
  return lines.map((line) => {
    const start = offset
    offset += line.length + 1
    return start
  })
}
