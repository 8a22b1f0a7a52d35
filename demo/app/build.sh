set -eu
mkdir dist
cp index.html app.js dist/
