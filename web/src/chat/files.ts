/** The files of a paste or a drop; text beside them is left to the browser. */
export function filesOf(data: DataTransfer | null): File[] {
  return data === null ? [] : [...data.files]
}
