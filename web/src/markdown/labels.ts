import { getContext, setContext } from 'svelte'

/** The words the renderer shows or speaks; the shell gives them in the reader's language. */
export interface MarkdownLabels {
  copy: string
  copied: string
  /** Spoken name of a code block; `language` is empty when the fence names none. */
  code(language: string): string
  table: string
  taskDone: string
  taskOpen: string
  /** Shown in place of an image that lives on another host. */
  imagePlaceholder(host: string): string
  /** Says what a click on the placeholder does: the page itself may load nothing from elsewhere. */
  loadImage: string
}

export const englishLabels: MarkdownLabels = {
  copy: 'Copy',
  copied: 'Copied',
  code: (language) => (language === '' ? 'Code' : `Code, ${language}`),
  table: 'Table',
  taskDone: 'Done',
  taskOpen: 'Not done',
  imagePlaceholder: (host) => `Image at ${host}`,
  loadImage: 'Open in a new tab',
}

const key = Symbol('markdown labels')

/** Gives every Markdown component below the caller its words; `read` may depend on state. */
export function setMarkdownLabels(read: () => MarkdownLabels): void {
  setContext(key, read)
}

/** Reads those words; call while a component is being set up. */
export function inheritLabels(): () => MarkdownLabels {
  return getContext<(() => MarkdownLabels) | undefined>(key) ?? (() => englishLabels)
}
