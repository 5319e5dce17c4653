// What both programs share: how a scene is told, and the material that scenes are made of.
//
// A program plays its scenes in order against TALKMETER_BASE_URL and prints one line of JSON for each. A scene asserts
// what must hold of any server; what it tells must be the same from Talkmeter as from the provider itself.

import assert from 'node:assert/strict'

export const baseURL = process.env.TALKMETER_BASE_URL
export const apiKey = process.env.TALKMETER_API_KEY

export const TEXT = '하나 둘 셋, one two three'
export const say = (text = TEXT) => [{ role: 'user', content: `say: ${text}` }]
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

/** A request header by which one answer of the simulator differs from an honest one. */
export const simulate = (fault) => ({ 'X-Simulate': JSON.stringify(fault) })

/** The model of which the simulator fails two requests before it answers one. */
export const UNSTEADY = 'sim-fast@900'

export async function play(scenes) {
  for (const [scene, act] of Object.entries(scenes)) {
    console.log(JSON.stringify({ scene, told: (await act()) ?? null }))
  }
}

/** The error that something ends in; that it does is asserted. */
export async function caught(promise) {
  return promise.then(
    (value) => assert.fail(`no error, but ${JSON.stringify(value)}`),
    (error) => error,
  )
}

export async function all(iterable) {
  const found = []
  for await (const one of iterable) found.push(one)
  return found
}

/** Silence as a WAV file: mono, 16 bit, 8 kHz. */
export function wav(seconds) {
  const size = seconds * 16000
  const head = Buffer.alloc(44)
  head.write('RIFF', 0)
  head.writeUInt32LE(36 + size, 4)
  head.write('WAVEfmt ', 8)
  for (const [at, value] of [[16, 16], [24, 8000], [28, 16000], [40, size]]) head.writeUInt32LE(value, at)
  for (const [at, value] of [[20, 1], [22, 1], [32, 2], [34, 16]]) head.writeUInt16LE(value, at)
  head.write('data', 36)
  return Buffer.concat([head, Buffer.alloc(size)])
}
