/** Work that costs more than this many milliseconds makes the gate skip frames. */
const COSTLY = 8

/** Runs the latest requested work at most once per frame, and less often when it is costly. */
export class FrameGate {
  #work: (() => void) | null = null
  #frame = 0
  #restUntil = 0

  request(work: () => void): void {
    this.#work = work
    if (this.#frame === 0) this.#frame = requestAnimationFrame(this.#tick)
  }

  cancel(): void {
    cancelAnimationFrame(this.#frame)
    this.#frame = 0
    this.#work = null
  }

  readonly #tick = (): void => {
    const started = performance.now()
    if (started < this.#restUntil) {
      this.#frame = requestAnimationFrame(this.#tick)
      return
    }
    this.#frame = 0
    this.#work?.()
    this.#work = null
    const cost = performance.now() - started
    this.#restUntil = cost > COSTLY ? started + cost * 4 : 0
  }
}
