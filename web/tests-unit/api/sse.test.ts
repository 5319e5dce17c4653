import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventStreamParser, type ServerEvent } from '../../src/api/sse'

function parse(chunks: string[]): ServerEvent[] {
  const parser = new EventStreamParser()
  return chunks.flatMap((chunk) => parser.push(chunk))
}

const STREAM = '\uFEFFid: 1\nevent: started\ndata: {"a":1}\n\n: comment\r\n\r\nid:2\rdata: 한\rdata: 글 👍\r\rdata\n\nevent: x\n\nid: 3\r\ndata:  two\r\n\r\ndata: never finished'

test('fields, comments, line ends of every kind', () => {
  expect(parse([STREAM])).toEqual([
    { id: '1', type: 'started', data: '{"a":1}' },
    { id: '2', type: 'message', data: '한\n글 👍' },
    { id: '2', type: 'message', data: '' },
    { id: '3', type: 'message', data: ' two' },
  ])
})

test('any chunking gives the same events', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(STREAM.length), { maxLength: 30 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), STREAM.length]
      const chunks = places.slice(1).map((end, i) => STREAM.slice(places[i], end))
      expect(parse(chunks)).toEqual(parse([STREAM]))
    }),
  )
})
