/** Where a floating panel stands beside what opened it. All in CSS pixels of the viewport. */
export interface Box {
  left: number
  top: number
  width: number
  height: number
}

export interface PanelPlace {
  left: number
  top: number
  maxHeight: number
}

export type Side = 'above' | 'below'
export type Align = 'start' | 'end'

const GAP = 6
const MARGIN = 8

/** The preferred side if the panel fits there or has more room than on the other; never outside the viewport. */
export function placePanel(
  anchor: Box, panel: { width: number; height: number }, view: { width: number; height: number }, side: Side, align: Align,
): PanelPlace {
  const above = anchor.top - GAP - MARGIN
  const below = view.height - (anchor.top + anchor.height) - GAP - MARGIN
  const preferred = side === 'above' ? above : below
  const other = side === 'above' ? below : above
  const chosen = panel.height <= preferred || preferred >= other ? side : side === 'above' ? 'below' : 'above'
  const maxHeight = Math.max(0, chosen === 'above' ? above : below)
  const height = Math.min(panel.height, maxHeight)
  const top = chosen === 'above' ? anchor.top - GAP - height : anchor.top + anchor.height + GAP
  const wanted = align === 'start' ? anchor.left : anchor.left + anchor.width - panel.width
  const left = Math.max(MARGIN, Math.min(wanted, view.width - panel.width - MARGIN))
  return { left, top, maxHeight }
}
