#!/bin/sh
# ./farm.sh demo                      watch a whole farm with virtual printers
# ./farm.sh serve                     run the daemon: queue, API and page
# ./farm.sh node | node join URL CODE run the agent beside your printers
# ./farm.sh try URL FILE.gcode        print one file on one printer
# ./farm.sh COMMAND --help            all commands: ./farm.sh --help
# ./farm.sh check                     lint, types, layers, sizes
# ./farm.sh test [--quick] [PYTEST ARGUMENTS]
# ./farm.sh bench [NAME...]           measure
# ./farm.sh sim --seeds N             the farm's decisions in a simulated world full of faults; --mutants: seen to catch mistakes
# ./farm.sh torment --rounds N        kill, cut and fill real processes, and count what is left
# ./farm.sh wheels [--try]            wheels for x86-64 and 64-bit ARM with the compiled part; --try: run both, compare the results
# Makes its environment if it is missing. Needs python3 (3.11 to 3.13) with venv and nothing else. FARM_PYTHON names another interpreter.
#
# ./farm.sh demo                      regarder toute une ferme avec des imprimantes virtuelles
# ./farm.sh serve                     lancer le démon : file d'attente, API et page
# ./farm.sh node | node join URL CODE lancer l'agent à côté de vos imprimantes
# ./farm.sh try URL FICHIER.gcode     imprimer un fichier sur une imprimante
# ./farm.sh COMMANDE --help           toutes les commandes : ./farm.sh --help
# ./farm.sh check                     style, types, couches, tailles
# ./farm.sh test [--quick] [ARGUMENTS DE PYTEST]
# ./farm.sh bench [NOM...]            mesurer
# ./farm.sh sim --seeds N             les décisions de la ferme dans un monde simulé plein de pannes ; --mutants : et la preuve qu'on y trouve les erreurs
# ./farm.sh torment --rounds N        tuer, couper et remplir de vrais processus, et compter ce qui reste
# ./farm.sh wheels [--try]            wheels pour x86-64 et ARM 64 bits avec la partie compilée ; --try : lancer les deux et comparer
# Prépare son environnement s'il manque. Il faut python3 (3.11 à 3.13) avec venv, rien d'autre. FARM_PYTHON nomme un autre interpréteur.
set -eu
root=$(cd "$(dirname "$0")" && pwd)
venv="$root/.venv"

# spoken ENGLISH FRENCH: one of them, decided as in farm/language.py
spoken() {
    case "${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}" in
    [Ff][Rr]*) printf '%s\n' "$2" ;;
    *) printf '%s\n' "$1" ;;
    esac
}

say() {
    spoken "$1" "$2" >&2
}

find_python() {
    for candidate in ${FARM_PYTHON:-python3.13 python3.12 python3.11 python3}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    say "Essaim needs Python 3.11, 3.12 or 3.13 and found none. On Debian or Raspberry Pi OS: sudo apt install python3 python3-venv" \
        "Essaim a besoin de Python 3.11, 3.12 ou 3.13 et n'en trouve pas. Sur Debian ou Raspberry Pi OS : sudo apt install python3 python3-venv"
    exit 2
}

# environment LOCK: make .venv hold what LOCK says (the test lock is a superset of the other)
environment() {
    stamp="$venv/essaim-$1"
    if [ -f "$stamp" ] && cmp -s "$root/$1" "$stamp"; then return; fi
    python=$(find_python) || exit 2
    if [ ! -x "$venv/bin/python" ]; then
        say "Making the environment in .venv ..." "Préparation de l'environnement dans .venv ..."
        "$python" -m venv "$venv" || {
            rm -rf "$venv"
            say "python3 cannot make environments. On Debian or Raspberry Pi OS: sudo apt install python3-venv" \
                "python3 ne peut pas préparer d'environnement. Sur Debian ou Raspberry Pi OS : sudo apt install python3-venv"
            exit 2
        }
    fi
    say "Installing what $1 lists (once, about half a minute) ..." \
        "Installation de ce que $1 indique (une seule fois, environ une demi-minute) ..."
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python "$venv/bin/python" --require-hashes -r "$root/$1" >&2
    else
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$root/$1" >&2
    fi
    cp "$root/$1" "$stamp"
}

# The compiled part of the G-code scan: once for each change of its source, where there is a compiler. Without it the scan is slower.
kernel() {
    stamp="$root/build/kernel/$(uname -m)/sources"
    if (cd "$root/gcode/scan" && cat kernel.h kernel.c kernel_planner.c 2>/dev/null) | cmp -s - "$stamp"; then return; fi
    if command -v "${CC:-cc}" >/dev/null 2>&1; then "$venv/bin/python" "$root/hatch_build.py" || true; fi
}

command=${1:-help}
case "$command" in
check | test | bench | sim | torment | wheels)
    shift
    environment requirements-test.lock
    kernel
    cd "$root"
    exec "$venv/bin/python" -m "tests.$command" "$@"
    ;;
help)
    sed -n "$(spoken 2,13 15,26)s/^# //p" "$0"
    ;;
*)
    # the caller's folder stays: files are named from there
    [ -f "$venv/essaim-requirements-test.lock" ] && cmp -s "$root/requirements-test.lock" "$venv/essaim-requirements-test.lock" ||
        environment requirements.lock
    [ "$command" = node ] || kernel # a node reads G-code in plain Python
    PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" FARM_COMMAND=${FARM_COMMAND:-$0} exec "$venv/bin/python" -m farm "$@"
    ;;
esac
