import type { CodeView } from './code'
import type { Dresser, MathSpot } from './dom'

/** Milliseconds of work in one go: well inside a frame. */
const SLICE = 5

type Job = Generator<void>

const jobs: Job[] = []
let running = false

/** Works jobs off in slices, so that colouring a long file never holds up a frame. */
function schedule(job: Job): void {
  jobs.push(job)
  if (running) return
  running = true
  nextSlice()
}

function nextSlice(): void {
  if (typeof requestIdleCallback === 'function') requestIdleCallback(runSlice, { timeout: 200 })
  else setTimeout(runSlice, 16)
}

function runSlice(): void {
  const until = performance.now() + SLICE
  for (let job = jobs[0]; job !== undefined; job = jobs[0]) {
    if (job.next().done === true) jobs.shift()
    if (performance.now() >= until) break
  }
  running = jobs.length > 0
  if (running) nextSlice()
}

async function dressCode(view: CodeView): Promise<void> {
  const { language, text } = view.shown
  if (language === '' || text === '') return
  const { highlightRuns } = await import('./highlight')
  if (view.shown.text === text && view.shown.closed) schedule(view.colour(highlightRuns(language, text)))
}

async function dressMath(spot: MathSpot): Promise<void> {
  const { setFormula } = await import('./formula')
  schedule(
    (function* () {
      if (spot.element.isConnected) setFormula(spot)
      yield
    })(),
  )
}

/** Failing to load a library leaves code plain and formulas as written: both are readable. */
const ignore = (): void => undefined

/** Loads the highlighter and the formula setter when first needed. */
export const lazyDresser: Dresser = {
  code: (view) => void dressCode(view).catch(ignore),
  math: (spot) => void dressMath(spot).catch(ignore),
}
