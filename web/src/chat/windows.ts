import type { HistoryWindow } from '../api/types'

/** Where a window stands on the ladder: numbers of messages ascending, all of them, and last one by tokens. */
export function rank(window: HistoryWindow): number {
  if (typeof window !== 'number') return Number.POSITIVE_INFINITY
  return window === 0 ? Number.MAX_VALUE : window
}

/** Tells windows apart; equal for equal ones. */
export function keyOf(window: HistoryWindow): string {
  return typeof window === 'number' ? String(window) : `${window.tokens} tokens`
}

/** A window as somebody typed it; null unless it is a whole number from 1. */
export function typedWindow(count: number | null, unit: 'messages' | 'tokens'): HistoryWindow | null {
  if (count === null || !Number.isInteger(count) || count < 1) return null
  return unit === 'tokens' ? { tokens: count } : count
}
