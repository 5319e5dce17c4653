/** Characters looked at: what an answer opens with is what it is written in. */
const OPENING = 400

/**
 * Whether a text reads as Korean: a voice then speaks it as such, and lines
 * break between words. A quarter of Hangul suffices, for Korean prose about
 * software is full of Latin names.
 */
export function isKorean(text: string): boolean {
  const opening = text.slice(0, OPENING)
  const hangul = opening.match(/[\uac00-\ud7a3]/g)?.length ?? 0
  const latin = opening.match(/[A-Za-z]/g)?.length ?? 0
  return hangul > 0 && hangul * 3 >= latin
}
