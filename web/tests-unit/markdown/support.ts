import { expect } from 'vitest'
import type { CodeView } from '../../src/markdown/code'
import type { Dresser, MathSpot } from '../../src/markdown/dom'
import { englishLabels } from '../../src/markdown/labels'
import { MarkdownStream } from '../../src/markdown/stream'

/** Notes what is ready to be dressed and leaves it undressed. */
export class NotingDresser implements Dresser {
  readonly codes: CodeView[] = []
  readonly spots: MathSpot[] = []

  code(view: CodeView): void {
    this.codes.push(view)
  }

  math(spot: MathSpot): void {
    this.spots.push(spot)
  }
}

export function newStream(): { container: HTMLElement; stream: MarkdownStream; dresser: NotingDresser } {
  const container = document.createElement('div')
  const dresser = new NotingDresser()
  return { container, dresser, stream: new MarkdownStream(container, englishLabels, dresser) }
}

export function whole(text: string): HTMLElement {
  const { container, stream } = newStream()
  stream.update(text, false)
  return container
}

/** Shows `text` growing to each of the `cuts` in turn, then whole. */
export function streamed(text: string, cuts: Iterable<number>): HTMLElement {
  const { container, stream } = newStream()
  for (const cut of cuts) stream.update(text.slice(0, cut), true)
  stream.update(text, false)
  return container
}

/** Both trees are the same node by node; attributes may stand in any order. */
export function expectSameTree(actual: Node, expected: Node): void {
  if (!actual.isEqualNode(expected)) expect(markup(actual)).toBe(markup(expected))
  expect(actual.isEqualNode(expected)).toBe(true)
}

const markup = (node: Node): string => (node as HTMLElement).innerHTML
