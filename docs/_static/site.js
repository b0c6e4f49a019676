// What is cut off can be scrolled with the keyboard, too.
function letWideThingsBeFocused() {
  for (const each of document.querySelectorAll('.highlight pre, .table-wrapper, .diagram')) {
    if (each.scrollWidth > each.clientWidth) each.tabIndex = 0
    else each.removeAttribute('tabindex')
  }
}
addEventListener('load', letWideThingsBeFocused)
addEventListener('resize', letWideThingsBeFocused)
addEventListener('click', () => requestAnimationFrame(letWideThingsBeFocused)) // a tab may have been opened
