// MLflow's clients print addresses such as /#/experiments/1/runs/<id>; a server never sees what stands behind the #.
const root = document.currentScript.dataset.root;
function follow() {
  const match = location.hash.match(/^#\/experiments\/(\d+)(?:\/runs\/([0-9a-z-]+))?/i);
  if (match) location.replace(root + (match[2] ? "/runs/" + match[2] : "/experiments/" + match[1]));
}
addEventListener("hashchange", follow);
follow();
