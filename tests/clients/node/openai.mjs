// The official SDK for Node.

import assert from 'node:assert/strict'

import OpenAI, { toFile } from 'openai'
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'

import { PNG, TEXT, UNSTEADY, all, apiKey, baseURL, caught, play, say, simulate, wav } from './scenes.mjs'

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 60_000 })
const model = 'gpt-4o-mini'
const Place = z.object({ name: z.string(), people: z.number().int(), near: z.array(z.string()) })
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}
const rain = [{ role: 'user', content: 'tool: weather {"city": "서울"}' }]
const picture = [
  {
    role: 'user',
    content: [
      { type: 'text', text: 'what is it?' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
    ],
  },
]
const chat = (more = {}, options = {}) =>
  client.chat.completions.create({ model, messages: say(), ...more }, options)
const image = () => toFile(Buffer.from(PNG, 'base64'), 'a.png', { type: 'image/png' })
const sound = () => toFile(wav(2), 'a.wav', { type: 'audio/wav' })

const refused = async (status) => {
  const error = await caught(chat({}, { headers: simulate({ fault: status }) }))
  assert.equal(error.status, Number(status))
  return [error.constructor.name, error.code, error.type, error.param, error.message]
}

/** An answer that stops coming with the third piece of its text, and a reader who then leaves. */
const leave = async (after_events, create, seen) => {
  const leaving = new AbortController()
  const options = { signal: leaving.signal, headers: simulate({ fault: 'hang-stream', after_events }) }
  const stream = await create(options)
  const events = []
  try {
    for await (const event of stream) {
      events.push(event)
      if (events.filter(seen).length === 3) leaving.abort()
    }
  } catch (error) {
    assert.ok(error instanceof OpenAI.APIUserAbortError, error)
  }
  return events.length
}

await play({
  chat: async () => {
    const answer = await chat()
    assert.equal(answer.choices[0].message.content, TEXT)
    assert.ok(answer._request_id)
    return answer.usage
  },
  'chat in a stream': async () => {
    const chunks = await all(await chat({ stream: true }))
    assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), TEXT)
    return chunks.length
  },
  'chat in a stream with usage': async () => {
    const chunks = await all(await chat({ stream: true, stream_options: { include_usage: true } }))
    assert.ok(chunks.at(-1).usage.total_tokens > 0)
    return chunks.at(-1).usage
  },
  'several choices': async () => (await chat({ n: 3, temperature: 0.5 })).choices.map((one) => one.message.content),
  'tools and their results': async () => {
    const { message, finish_reason } = (await chat({ messages: rain, tools: [weather] })).choices[0]
    assert.equal(finish_reason, 'tool_calls')
    const [call] = message.tool_calls
    assert.deepEqual(JSON.parse(call.function.arguments), { city: '서울' })
    const result = { role: 'tool', tool_call_id: call.id, content: '21 °C' }
    return (await chat({ messages: [...rain, message, result], tools: [weather] })).choices[0].message
  },
  'tools that run by themselves, in a stream': async () => {
    const asked = []
    const run = { ...weather.function, function: (given) => asked.push(given), parse: JSON.parse }
    const runner = client.chat.completions.runTools(
      { model, messages: rain, stream: true, tools: [{ type: 'function', function: run }] },
      { maxChatCompletions: 2 },
    )
    await runner.done()
    assert.deepEqual(asked[0], { city: '서울' })
    return asked.length
  },
  'structured outputs': async () => {
    const format = zodResponseFormat(Place, 'place')
    const given = { model, messages: [{ role: 'user', content: 'a place' }], response_format: format }
    const whole = await client.chat.completions.parse(given)
    const place = Place.parse(whole.choices[0].message.parsed)
    const streamed = await client.chat.completions.stream(given).finalChatCompletion()
    assert.deepEqual(streamed.choices[0].message.parsed, place)
    const asResponse = { model, input: 'a place', text: { format: zodTextFormat(Place, 'place') } }
    assert.deepEqual((await client.responses.parse(asResponse)).output_parsed, place)
    return place
  },
  vision: async () => (await chat({ messages: picture })).choices[0].message.content,
  'end users, metadata, a seed, stops': async () => {
    const more = { safety_identifier: 'somebody', metadata: { a: 'b' }, seed: 7, stop: ['three'] }
    return (await chat(more)).choices[0].message.content
  },
  'the provider’s errors': async () => {
    const told = []
    for (const status of ['400', '401', '403', '404', '409', '422', '429', '500', '503']) told.push(await refused(status))
    return told
  },
  'an error in a stream': async () => {
    const streamed = await chat({ stream: true }, { headers: simulate({ fault: 'error-in-200' }) })
    const error = await caught(all(streamed))
    assert.ok(error instanceof OpenAI.APIError, error)
    return error.message
  },
  'a stream that is cut': async () => {
    const usage = { stream: true, stream_options: { include_usage: true } }
    const streamed = await chat(usage, { headers: simulate({ fault: 'cut-700' }) })
    await caught(all(streamed))
  },
  'a wrong parameter': async () => {
    const error = await caught(chat({ temperature: 9 }))
    return [error.constructor.name, error.param, error.message]
  },
  retries: async () => {
    const answer = await chat({ model: UNSTEADY }, { maxRetries: 3 })
    assert.equal(answer.choices[0].message.content, TEXT)
  },
  'a time-out': async () => {
    const error = await caught(chat({}, { timeout: 1_500, headers: simulate({ fault: 'hang-headers' }) }))
    assert.ok(error instanceof OpenAI.APIConnectionTimeoutError, error)
  },
  'leaving in the middle': async () => [
    await leave(3, (options) => chat({ stream: true }, options), (chunk) => chunk.choices[0]?.delta.content),
    await leave(
      5,
      (options) => client.responses.create({ model, input: `say: ${TEXT}`, stream: true }, options),
      (event) => event.type === 'response.output_text.delta',
    ),
  ],
  responses: async () => {
    const made = await client.responses.create({ model, input: `say: ${TEXT}` })
    assert.equal(made.output_text, TEXT)
    assert.equal((await client.responses.retrieve(made.id)).output_text, TEXT)
    const more = { model, input: 'say: more', previous_response_id: made.id }
    assert.equal((await client.responses.create(more)).output_text, 'more')
    const items = await all(client.responses.inputItems.list(made.id))
    await client.responses.delete(made.id)
    assert.equal((await caught(client.responses.retrieve(made.id))).status, 404)
    return [made.usage, items.length, (await client.responses.inputTokens.count({ model, input: 'hello' })).input_tokens]
  },
  'responses in a stream': async () => {
    const stream = client.responses.stream({ model, input: `say: ${TEXT}` })
    const kinds = (await all(stream)).map((event) => event.type)
    assert.equal((await stream.finalResponse()).output_text, TEXT)
    return kinds
  },
  'responses that call a tool': async () => {
    const tools = [{ type: 'function', strict: false, ...weather.function }]
    const [call] = (await client.responses.create({ model, input: rain, tools })).output
    assert.deepEqual(JSON.parse(call.arguments), { city: '서울' })
    const result = { type: 'function_call_output', call_id: call.call_id, output: '21 °C' }
    return (await client.responses.create({ model, input: [...rain, call, result], tools })).output_text
  },
  reasoning: async () => {
    const made = await client.responses.create({ model: 'o3', input: `say: ${TEXT}`, reasoning: { effort: 'low' } })
    assert.ok(made.usage.output_tokens_details.reasoning_tokens > 0)
    return made.usage
  },
  'the older completions': async () => {
    const given = { model: 'gpt-3.5-turbo-instruct', prompt: `say: ${TEXT}`, max_tokens: 5 }
    const whole = await client.completions.create(given)
    const chunks = await all(await client.completions.create({ ...given, stream: true }))
    assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(''), whole.choices[0].text)
    return [whole.choices[0].text, whole.usage]
  },
  embeddings: async () => {
    const given = { model: 'text-embedding-3-small', input: ['하나', '둘'], dimensions: 8 }
    const packed = await client.embeddings.create(given)
    const plain = await client.embeddings.create({ ...given, encoding_format: 'float' })
    packed.data[1].embedding.forEach((value, at) => assert.ok(Math.abs(value - plain.data[1].embedding[at]) < 1e-6))
    return plain.data
  },
  moderations: async () => {
    const { results } = await client.moderations.create({ model: 'omni-moderation-latest', input: 'flag: violence' })
    assert.ok(results[0].flagged)
  },
  images: async () => {
    const given = { model: 'gpt-image-1', prompt: 'a lighthouse', size: '1024x1024' }
    const made = await client.images.generate(given)
    assert.ok(Buffer.from(made.data[0].b64_json, 'base64').subarray(1, 4).equals(Buffer.from('PNG')))
    const events = await all(await client.images.generate({ ...given, stream: true, partial_images: 1 }))
    const edited = await client.images.edit({ model: 'gpt-image-1', prompt: 'at night', image: await image() })
    return [made.usage, events.map((event) => event.type), edited.usage]
  },
  audio: async () => {
    const spoken = await client.audio.speech.create({
      model: 'tts-1', voice: 'alloy', input: TEXT, response_format: 'wav',
    })
    const bytes = Buffer.from(await spoken.arrayBuffer())
    assert.equal(bytes.subarray(0, 4).toString(), 'RIFF')
    const hear = { model: 'gpt-4o-transcribe', file: await sound() }
    const heard = await client.audio.transcriptions.create(hear)
    const streamed = await all(await client.audio.transcriptions.create({ ...hear, stream: true }))
    assert.equal(streamed.at(-1).text, heard.text)
    const timed = { model: 'whisper-1', file: await sound(), response_format: 'verbose_json' }
    const translated = await client.audio.translations.create({ model: 'whisper-1', file: await sound() })
    return [bytes.length, heard, (await client.audio.transcriptions.create(timed)).duration, translated.text]
  },
  files: async () => {
    const file = await client.files.create({ file: await toFile(Buffer.from('{}\n'), 'a.jsonl'), purpose: 'batch' })
    assert.equal((await client.files.retrieve(file.id)).filename, 'a.jsonl')
    assert.equal(await (await client.files.content(file.id)).text(), '{}\n')
    assert.ok((await client.files.delete(file.id)).deleted)
  },
  'a wrong key': async () => {
    // The provider refuses one sort of wrong key, we another.
    const error = await caught(client.withOptions({ apiKey: process.env.TALKMETER_WRONG_KEY }).models.list())
    assert.ok(error instanceof OpenAI.AuthenticationError, error)
    return error.code
  },
  models: async () => {
    assert.ok((await all(client.models.list())).some((one) => one.id === 'sim-fast'))
  },
})
