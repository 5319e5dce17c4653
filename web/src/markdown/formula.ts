import { __renderToDomTree } from 'katex'
import 'katex/dist/katex.min.css'
import type { MathSpot } from './dom'

/** The part of KaTeX's tree that is needed here. */
interface TreeNode {
  attributes?: Record<string, string>
  children?: TreeNode[]
  toNode(): Node
}

declare module 'katex' {
  export function __renderToDomTree(tex: string, options: Record<string, unknown>): TreeNode
}

const OPTIONS = {
  output: 'htmlAndMathml',
  throwOnError: true,
  // Korean inside a formula is welcome and no reason for a warning.
  strict: 'ignore',
  trust: false,
  maxSize: 20,
  maxExpand: 500,
}

/** Sets the formula in place of its source; a formula that cannot be set stays as it was written. */
export function setFormula({ element, tex, display }: MathSpot): void {
  try {
    const tree = __renderToDomTree(tex, { ...OPTIONS, displayMode: display })
    stylesThroughCssom(tree)
    element.replaceChildren(tree.toNode())
    element.classList.add('math-set')
  } catch {
    element.classList.add('math-failed')
  }
}

/**
 * KaTeX writes a few styles as attributes, which a strict content security
 * policy refuses; the same declarations set through the CSSOM are allowed.
 */
function stylesThroughCssom(node: TreeNode): void {
  const style = node.attributes?.['style']
  if (node.attributes !== undefined && style !== undefined) {
    delete node.attributes['style']
    const make = node.toNode.bind(node)
    node.toNode = () => {
      const made = make()
      ;(made as HTMLElement).style.cssText = style
      return made
    }
  }
  for (const child of node.children ?? []) stylesThroughCssom(child)
}
