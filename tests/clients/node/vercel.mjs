// Vercel's AI SDK, by its OpenAI provider: chat completions and responses.

import assert from 'node:assert/strict'

import { createOpenAI } from '@ai-sdk/openai'
import {
  APICallError, Output, RetryError, embedMany, experimental_generateSpeech as generateSpeech, experimental_transcribe as transcribe,
  generateImage, generateText, stepCountIs, streamText, tool,
} from 'ai'
import { z } from 'zod'

import { PNG, TEXT, UNSTEADY, all, apiKey, baseURL, caught, play, say, simulate, wav } from './scenes.mjs'

const openai = createOpenAI({ baseURL, apiKey })
const dialects = { chat: openai.chat('gpt-4o-mini'), responses: openai.responses('gpt-4o-mini') }
const retries = { maxRetries: 0 }
const weather = tool({ inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `21 °C, ${city}` })
const rain = 'tool: weather {"city": "서울"}'
const Place = z.object({ name: z.string(), people: z.number().int() })
const vision = [
  {
    role: 'user',
    content: [
      { type: 'text', text: 'what is it?' },
      { type: 'image', image: Buffer.from(PNG, 'base64') },
    ],
  },
]
const fault = (name, more = {}) => ({ headers: simulate({ fault: name, ...more }) })
const quiet = { onError: () => {} }

/** after_events: of a stream, with the third piece of its text. */
const scenesOf = (name, model, after_events) => ({
  [`${name}: text`]: async () => {
    const made = await generateText({ model, messages: say(), ...retries })
    assert.equal(made.text, TEXT)
    return [made.usage, made.finishReason, made.warnings]
  },
  [`${name}: a stream`]: async () => {
    const made = streamText({ model, messages: say(), ...retries })
    const parts = await all(made.fullStream)
    assert.equal(parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join(''), TEXT)
    return [parts.map((part) => part.type), await made.usage]
  },
  [`${name}: tools that run by themselves`]: async () => {
    const given = { model, prompt: rain, tools: { weather }, stopWhen: stepCountIs(2), ...retries }
    const whole = await generateText(given)
    assert.equal(whole.steps[0].toolResults[0].output, '21 °C, 서울')
    const streamed = streamText(given)
    await streamed.consumeStream()
    assert.equal((await streamed.steps)[0].toolResults[0].output, '21 °C, 서울')
    return whole.steps.map((step) => [step.text, step.finishReason])
  },
  [`${name}: structured outputs`]: async () => {
    const given = { model, prompt: 'a place', output: Output.object({ schema: Place }), ...retries }
    const whole = Place.parse((await generateText(given)).output)
    const streamed = streamText(given)
    assert.deepEqual((await all(streamed.partialOutputStream)).at(-1), whole)
    return whole
  },
  [`${name}: vision`]: async () => (await generateText({ model, messages: vision, ...retries })).text,
  [`${name}: the provider’s errors`]: async () => {
    const told = []
    for (const status of ['401', '404', '429', '503']) {
      const error = await caught(generateText({ model, messages: say(), ...retries, ...fault(status) }))
      assert.ok(APICallError.isInstance(error), error)
      told.push([error.statusCode, error.isRetryable, error.message])
    }
    return told
  },
  [`${name}: an error in a stream`]: async () => {
    const parts = await all(streamText({ model, messages: say(), ...retries, ...fault('error-in-200'), ...quiet }).fullStream)
    assert.ok(parts.some((part) => part.type === 'error'))
    return parts.map((part) => part.type)
  },
  [`${name}: a time-out`]: async () => {
    const abortSignal = AbortSignal.timeout(1_500)
    const error = await caught(generateText({ model, messages: say(), abortSignal, ...retries, ...fault('hang-headers') }))
    assert.equal(error.name, 'TimeoutError')
  },
  [`${name}: leaving in the middle`]: async () => {
    const leaving = new AbortController()
    const given = { model, messages: say(), abortSignal: leaving.signal, ...retries, ...fault('hang-stream', { after_events }) }
    const kinds = []
    for await (const part of streamText(given).fullStream) {
      kinds.push(part.type)
      if (kinds.filter((kind) => kind === 'text-delta').length === 3) leaving.abort()
    }
    assert.equal(kinds.at(-1), 'abort')
    return kinds
  },
})

await play({
  ...scenesOf('chat', dialects.chat, 3),
  ...scenesOf('responses', dialects.responses, 5),
  retries: async () => {
    const made = await generateText({ model: openai.chat(UNSTEADY), messages: say(), maxRetries: 3 })
    assert.equal(made.text, TEXT)
  },
  'retries that are not enough': async () => {
    const error = await caught(generateText({ model: dialects.chat, messages: say(), maxRetries: 1, ...fault('503') }))
    assert.ok(RetryError.isInstance(error), error)
    return error.errors.length
  },
  reasoning: async () => {
    const made = await generateText({ model: openai.responses('o3'), messages: say(), ...retries })
    assert.ok(made.usage.outputTokenDetails.reasoningTokens > 0)
    return made.usage
  },
  embeddings: async () => {
    const model = openai.embedding('text-embedding-3-small')
    const made = await embedMany({ model, values: ['하나', '둘'], ...retries, providerOptions: { openai: { dimensions: 8 } } })
    return [made.embeddings, made.usage]
  },
  images: async () => {
    const made = await generateImage({ model: openai.image('gpt-image-1'), prompt: 'a lighthouse', size: '1024x1024', ...retries })
    assert.equal(made.image.mediaType, 'image/png')
    return made.image.base64.length
  },
  speech: async () => {
    const made = await generateSpeech({ model: openai.speech('tts-1'), text: TEXT, voice: 'alloy', outputFormat: 'wav', ...retries })
    return made.audio.uint8Array.length
  },
  transcription: async () => {
    const made = await transcribe({ model: openai.transcription('whisper-1'), audio: wav(2), ...retries })
    assert.ok(made.text)
    return [made.text, made.durationInSeconds]
  },
})
