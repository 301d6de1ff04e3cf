// Sends the clicks that the page shows as data. Without scripts the pixels inside
// <noscript> send the same, so a click is told one way or the other, never both.
(function () {
  'use strict';
  var page = document.body.dataset;
  document.querySelectorAll('[data-click]').forEach(function (shown) {
    var click = JSON.parse(shown.dataset.click);
    var action = click.action;
    delete click.action;
    click.visitor_id = page.visitor;
    click.session_id = page.session;
    if (page.user && !click.user_id) click.user_id = page.user;
    window.clickweir(action, click);
  });
})();
