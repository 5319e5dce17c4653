// Runs before the first paint, so that a chosen theme never flashes into the other.
(() => {
  const theme = localStorage.getItem('talkmeter.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
})()
