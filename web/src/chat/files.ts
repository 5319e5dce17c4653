type Carried = Pick<DataTransfer, 'types' | 'files'>

/** The files of a drop. */
export function droppedFiles(data: Carried | null): File[] {
  return data === null ? [] : [...data.files]
}

/** The files of a paste. Spreadsheets and word processors add a picture of the text; there the text is meant. */
export function pastedFiles(data: Carried | null): File[] {
  return data === null || data.types.includes('text/plain') ? [] : [...data.files]
}
