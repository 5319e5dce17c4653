// A client in another language: node client.mjs TARGET PROTOS, prints one line of JSON with what it was told.
// With TALKMETER_TEST_CA, a file of authorities in PEM, it speaks TLS.

import { readFileSync } from 'node:fs'
import grpc from '@grpc/grpc-js'
import loader from '@grpc/proto-loader'

const [target, protos] = process.argv.slice(2)
const authorities = process.env.TALKMETER_TEST_CA
const credentials = authorities
  ? grpc.credentials.createSsl(readFileSync(authorities))
  : grpc.credentials.createInsecure()
const files = ['chat.proto', 'talkmeter/v1/conversations.proto']
const options = { includeDirs: [protos], keepCase: true, longs: Number, enums: String, oneofs: true }
const api = grpc.loadPackageDefinition(loader.loadSync(files, options))

const chat = new api.chat.Chat(target, credentials)
const conversations = new api.talkmeter.v1.Conversations(target, credentials)

/** What a stream brings, its trailing metadata, and the status that it ends with. */
function told(stream) {
  return new Promise((resolve) => {
    const replies = []
    stream.on('data', (reply) => replies.push(reply))
    stream.on('error', () => {})
    stream.on('status', ({ code, metadata }) => resolve({ replies, code, trailers: metadata.getMap() }))
  })
}

function unary(method, request) {
  return new Promise((resolve, reject) => {
    conversations[method](request, (error, reply) => (error ? reject(error) : resolve(reply)))
  })
}

const first = await told(chat.Ask({ prompt: 'say: 하나 둘' }))
const second = await told(chat.Ask({ prompt: 'say: and then' }))
const typed = await told(conversations.Ask({ prompt: 'say: three', conversation_id: 'from-node' }))
const run = typed.replies[0].event.begun.run_id
const again = await told(conversations.Follow({ run_id: run, after_seq: 0 }))
const history = await unary('GetHistory', { conversation_id: 'from-node' })
const rooms = await unary('ListRooms', {})
const refused = await told(conversations.Follow({ run_id: 'run_nothing' }))

console.log(
  JSON.stringify({
    printed: [first, second].map(({ replies }) => replies.map(({ response }) => response).join('')),
    trailers: second.trailers,
    kinds: typed.replies.map(({ event }) => event.event),
    again: again.replies.map(({ event }) => event.delta?.text ?? '').join(''),
    usage: typed.replies.at(-1).event.ended.usage,
    history: history.messages.map(({ role, text }) => [role, text]),
    rooms: rooms.rooms.length,
    refused: refused.code,
  }),
)
chat.close()
conversations.close()
