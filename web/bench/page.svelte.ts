import { mount, tick } from 'svelte'
import '../src/styles/tokens.css'
import '../src/styles/base.css'
import { Markdown } from '../src/markdown'
import './page.css'
import { texts } from './texts'

interface Figures {
  characters: number
  frames: number
  p50: number
  p95: number
  worst: number
  longTasks: number[]

  wallSeconds: number
}

const shown = $state({ text: '', streaming: false })
const target = document.getElementById('app')
if (target === null) throw new Error('markdown-bench.html has no element with the id "app"')
mount(Markdown, { target, props: shown })

const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve))
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Streams a text at `perFrame` characters a frame and measures every frame. */
async function stream(name: string, perFrame: number): Promise<Figures> {
  const text = texts[name]?.() ?? ''
  shown.text = ''
  shown.streaming = false
  await pause(300)
  const longTasks: number[] = []
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) longTasks.push(Math.round(entry.duration))
  })
  observer.observe({ type: 'longtask' })
  const deltas: number[] = []
  shown.streaming = true
  const started = await frame()
  let last = started
  for (let end = perFrame; end < text.length + perFrame; end += perFrame) {
    shown.text = text.slice(0, end)
    document.documentElement.scrollTop = document.documentElement.scrollHeight
    const now = await frame()
    deltas.push(now - last)
    last = now
  }
  shown.streaming = false
  // Colouring and formulas follow; they may hold up nothing either.
  for (let rest = 0; rest < 60; rest++) {
    const now = await frame()
    deltas.push(now - last)
    last = now
  }
  observer.disconnect()
  const sorted = deltas.toSorted((a, b) => a - b)
  const at = (share: number): number => Number((sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1))
  return {
    characters: text.length,
    frames: deltas.length,
    p50: at(0.5),
    p95: at(0.95),
    worst: at(0.9999),
    longTasks,
    wallSeconds: Number(((last - started) / 1000).toFixed(1)),
  }
}

/** Shows a whole text at once; returns the milliseconds until its DOM stood. */
async function show(name: string): Promise<number> {
  shown.text = ''
  shown.streaming = false
  await frame()
  const started = performance.now()
  shown.text = texts[name]?.() ?? ''
  await tick()
  return performance.now() - started
}

/** Leaves the page as it looks after the first `end` characters have arrived. */
async function peek(name: string, end: number): Promise<void> {
  shown.text = (texts[name]?.() ?? '').slice(0, end)
  shown.streaming = true
  await tick()
}

Object.assign(window, { bench: { stream, show, peek, names: Object.keys(texts) } })
