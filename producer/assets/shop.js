// Sends the clicks that the page carries as data. A browser without scripts loads the pixels
// inside <noscript> instead, so each click is sent one way or the other, never both.
(function () {
  'use strict';
  var page = document.body.dataset;
  document.querySelectorAll('[data-click]').forEach(function (element) {
    var click = JSON.parse(element.dataset.click);
    var action = click.action;
    delete click.action;
    click.visitor_id = page.visitor;
    click.session_id = page.session;
    if (page.user && !click.user_id) click.user_id = page.user;
    window.clickweir(action, click);
  });
})();
