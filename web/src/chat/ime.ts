/**
 * When does Enter send? One press sends one message, also while a Hangul
 * syllable is still being composed, and never a second time.
 *
 * Browsers report Enter during composition as keyCode 229 and then end the
 * composition; some (Chromium on macOS) repeat the key afterwards as a plain
 * Enter, some (Safari) end the composition first. So Enter within a composition
 * arms a send that happens once the composition has ended, and the echo of that
 * same key press is swallowed until the key comes up.
 *
 * Kana and Pinyin use Enter to choose a candidate; there it must not send.
 */
export interface KeyPress {
  key: string
  code: string
  keyCode: number
  isComposing: boolean
  shiftKey: boolean
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
  repeat: boolean
}

export type EnterAction = 'pass' | 'prevent' | 'send'

const HANGUL = /[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]/

export class EnterGuard {
  private composing = false
  private armed = false
  private swallow = false
  private composed = ''

  compositionStart(): void {
    this.composing = true
    this.armed = false
    this.swallow = false
    this.composed = ''
  }

  compositionUpdate(data: string): void {
    if (data !== '') this.composed = data
  }

  /** True when the armed send must happen now (after the browser has put the syllable into the field). */
  compositionEnd(data: string): boolean {
    this.composing = false
    if (data !== '') this.composed = data
    const send = this.armed
    this.armed = false
    return send
  }

  keyDown(press: KeyPress): EnterAction {
    if (!isEnter(press)) {
      this.armed = false
      this.swallow = false
      return 'pass'
    }
    if (press.shiftKey || press.altKey) {
      this.swallow = false
      return 'pass'
    }
    if (this.composing || press.isComposing) {
      if (!HANGUL.test(this.composed)) return 'pass'
      this.armed = true
      this.swallow = true
      return 'pass'
    }
    if (press.keyCode === 229) return this.afterComposition()
    if (this.swallow || press.repeat) return 'prevent'
    return 'send'
  }

  keyUp(press: Pick<KeyPress, 'key' | 'code'>): void {
    if (press.key === 'Enter' || isEnterCode(press.code)) this.swallow = false
  }

  /** Some input methods insert the line break without telling a second key press. */
  beforeInput(inputType: string): 'pass' | 'prevent' {
    const lineBreak = inputType === 'insertLineBreak' || inputType === 'insertParagraph'
    return lineBreak && this.swallow ? 'prevent' : 'pass'
  }

  /** The key may come up elsewhere. */
  blur(): void {
    this.swallow = false
  }

  /** The composition was ended by this very key press (Safari's order of events). */
  private afterComposition(): EnterAction {
    if (this.swallow) return 'prevent'
    if (!HANGUL.test(this.composed)) return 'pass'
    this.swallow = true
    return 'send'
  }
}

function isEnter(press: KeyPress): boolean {
  if (press.key === 'Enter') return true
  return press.keyCode === 229 && isEnterCode(press.code)
}

function isEnterCode(code: string): boolean {
  return code === 'Enter' || code === 'NumpadEnter'
}
