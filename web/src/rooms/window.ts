/** The rows of a list with rows of one height that must be in the document, and where they start. */
export interface Visible {
  first: number
  /** One past the last row. */
  end: number
}

export function visibleRows(
  scrollTop: number, viewHeight: number, rowHeight: number, count: number, spare = 8,
): Visible {
  const from = Math.floor(Math.max(0, scrollTop) / rowHeight) - spare
  const to = Math.ceil((Math.max(0, scrollTop) + viewHeight) / rowHeight) + spare
  const first = Math.max(0, Math.min(from, count))
  return { first, end: Math.max(first, Math.min(to, count)) }
}
