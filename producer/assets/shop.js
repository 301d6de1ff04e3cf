// Sends the clicks that the page carries as data. A browser without scripts loads the pixels
// inside <noscript> instead, so each click is sent one way or the other, never both. The visitor,
// the session and the customer are on the tracker's tag.
(function () {
  'use strict';
  document.querySelectorAll('[data-click]').forEach(function (element) {
    var click = JSON.parse(element.dataset.click);
    if (window.clickweir) window.clickweir(click.action, click);
  });
})();
