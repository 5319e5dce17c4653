import { expect, test } from 'vitest'
import { droppedFiles, pastedFiles } from '../../src/chat/files'

const file = new File(['x'], 'x.png', { type: 'image/png' })
const carried = (types: string[], files: File[]): { types: string[]; files: FileList } => ({
  types,
  files: files as unknown as FileList,
})

test('a copied picture is attached, a copied table is text', () => {
  expect(pastedFiles(carried(['text/html', 'Files'], [file]))).toEqual([file])
  expect(pastedFiles(carried(['text/plain', 'text/html', 'Files'], [file]))).toEqual([])
  expect(pastedFiles(carried(['text/plain'], []))).toEqual([])
  expect(pastedFiles(null)).toEqual([])
})

test('whatever files are dropped are meant', () => {
  expect(droppedFiles(carried(['text/plain', 'Files'], [file]))).toEqual([file])
  expect(droppedFiles(null)).toEqual([])
})
