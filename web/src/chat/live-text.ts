/**
 * The text of an answer in the making. Deltas carry the place they belong to, in
 * Unicode code points, so replayed or repeated deltas change nothing.
 */
export class LiveText {
  text = ''
  private points = 0

  constructor(text = '') {
    this.reset(text)
  }

  reset(text: string): void {
    this.text = text
    this.points = codePoints(text)
  }

  /** Returns false when text before `offset` is missing: the reader must replay from an earlier seq. */
  merge(offset: number, delta: string): boolean {
    if (offset > this.points) return false
    if (offset === this.points) {
      this.text += delta
      this.points += codePoints(delta)
      return true
    }
    const start = unitIndex(this.text, offset)
    const known = this.text.slice(start)
    if (known.startsWith(delta)) return true
    // A longer replay of the same text, or a retold ending: what the server says stands.
    this.reset(this.text.slice(0, start) + delta)
    return true
  }
}

/** Number of Unicode code points; a lone surrogate counts as one. */
export function codePoints(text: string): number {
  let count = 0
  for (let i = 0; i < text.length; i++) {
    if (isPair(text, i)) i++
    count++
  }
  return count
}

/** The UTF-16 index of the code point number `points`. */
function unitIndex(text: string, points: number): number {
  let i = 0
  for (let seen = 0; seen < points && i < text.length; seen++) i += isPair(text, i) ? 2 : 1
  return i
}

function isPair(text: string, i: number): boolean {
  const high = text.charCodeAt(i)
  if (high < 0xd800 || high > 0xdbff) return false
  const low = text.charCodeAt(i + 1)
  return low >= 0xdc00 && low <= 0xdfff
}
