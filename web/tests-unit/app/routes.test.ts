import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressOf, GATEWAY_SECTIONS, parsePlace, SECTIONS, type Place } from '../../src/app/routes'

test.each<[string, string, Place]>([
  ['/', '', { view: 'new', receipt: null }],
  ['/room/room_abc', '', { view: 'room', roomId: 'room_abc', receipt: null }],
  ['/room/room_abc/', '#receipt=e_1', { view: 'room', roomId: 'room_abc', receipt: 'e_1' }],
  ['/room/a%2Fb', '', { view: 'new', receipt: null }],
  ['/room/', '', { view: 'new', receipt: null }],
  ['/settings', '#models', { view: 'settings', section: 'models' }],
  ['/settings', '#nonsense', { view: 'settings', section: 'providers' }],
  ['/', '#/settings', { view: 'settings', section: 'providers' }],
  ['/', '#/settings/appearance', { view: 'settings', section: 'appearance' }],
  ['/gateway', '', { view: 'gateway', section: 'calls', query: '', receipt: null }],
  ['/gateway', '#keys', { view: 'gateway', section: 'keys', query: '', receipt: null }],
  ['/gateway', '#calls&receipt=call_1', { view: 'gateway', section: 'calls', query: '', receipt: 'call_1' }],
  ['/gateway', '#nonsense&receipt=a/b', { view: 'gateway', section: 'calls', query: '', receipt: null }],
  ['/elsewhere', '', { view: 'new', receipt: null }],
])('%s%s', (path, hash, place) => {
  expect(parsePlace(path, hash)).toEqual(place)
})

test('every place is found again by its address', () => {
  const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/)
  const places = fc.oneof(
    fc.constant<Place>({ view: 'new', receipt: null }),
    fc.record({ view: fc.constant('room' as const), roomId: id, receipt: fc.option(id) }),
    fc.record({ view: fc.constant('settings' as const), section: fc.constantFrom(...SECTIONS) }),
    fc.record({
      view: fc.constant('gateway' as const), section: fc.constantFrom(...GATEWAY_SECTIONS),
      query: fc.constantFrom('', '?model=gpt-4o&span=month'), receipt: fc.option(id),
    }),
  )
  fc.assert(
    fc.property(places, (place) => {
      const address = new URL(addressOf(place), 'http://x')
      expect(parsePlace(address.pathname, address.hash, address.search)).toEqual(place)
    }),
  )
})
