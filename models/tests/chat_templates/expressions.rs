//! What templates do with values, each beside what Jinja2 makes of it as transformers sets it up.

pub const EXPRESSIONS: [(&str, &str); 50] = [
    (r"{% if tools is not none %}{{ tools | length }}{% else %}none{% endif %}", "none"),
    (r"{{ 'defined' if tools is defined and documents is defined else 'undefined' }}", "defined"),
    (r"{{ 'defined' if enable_thinking is defined else 'undefined' }}{{ enable_thinking }}", "undefined"),
    (
        r"{{ add_generation_prompt }} {{ none }} {{ 1.0 }} {{ 7 // 2 }} {{ 7 / 2 }} {{ 7 % 4 }} {{ 2 ** 5 }}",
        "True None 1.0 3 3.5 3 32",
    ),
    (
        r"{{ '{}-{:02d}'.format('a', 7) }} {{ '{0}{1}{0}'.format('a', 'b') }} {{ '{x:>4}|'.format(x='e') }}",
        "a-07 aba    e|",
    ),
    (
        r"{{ '%s-%d' % ('a', 7) }} {{ '%s' % 'b' }} {{ '%05.1f' % 2.25 }} {{ '%s!' % messages[1].role | upper }}",
        "a-7 b 002.2 ASSISTANT!",
    ),
    (
        r"{{ 'a/b/c'.rsplit('/', 1)[0] }} {{ 'think:x'.removeprefix('think:') }} {{ 'x.py'.removesuffix('.py') }}",
        "a/b x x",
    ),
    (
        r"{{ ' '.isspace() }} {{ ''.isspace() }} {{ 'ab'.isalpha() }} {{ 'AB1'.isupper() }} {{ 'ab1'.islower() }} {{ 'Ab'.istitle() }}",
        "True False True True True True",
    ),
    (
        r"{{ 'abc'.index('c') }} {{ 'abab'.rfind('b') }} {{ 'éab'.find('b') }} {{ 'abc'.find('z') }} {{ 'abab'.find('a', 1) }} {{ 'abcb'.count('b', 2) }}",
        "2 3 2 -1 2 1",
    ),
    (
        r"{{ '7'.zfill(3) }} {{ '-7'.zfill(4) }} {{ 'k=v'.partition('=')[2] }} {{ 'a.b.c'.rpartition('.')[0] }} {{ 'k'.partition('=')[0] }}",
        "007 -007 v a.b k",
    ),
    (r"{{ ('r</think>\n\nanswer'.split('</think>') | last).lstrip('\n') }}", "answer"),
    (
        r"{{ messages[0].content.strip() }}|{{ messages[0].content | trim }}|{{ 'xxaxx'.strip('x') }}|{{ 'abba'.lstrip('ab') }}|{{ '--a--' | trim('-') }}",
        "Hello World, 42!|Hello World, 42!|a||a",
    ),
    (
        r"{{ 'abcdef'[1:4] }} {{ 'abcdef'[-2:] }} {{ 'abc'[::-1] }} {{ [1, 2, 3][:-1] }} {{ 'abcdef'[4:0:-2] }} {{ ''[::-1] }} {{ [][::-1] }} {{ 'abc'[5:] }} {{ 'abc'[1] }} {{ 'abc'[-1] }}",
        "bcd ef cba [1, 2] ec  []  b c",
    ),
    (
        r"{% set d = {'b': 1, 'a': 2} %}{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %} {{ d.keys() | list | join(',') }} {{ d.values() | list }} {{ d.get('z', 9) }} {{ d.get('z') }} {{ 'a' in d }}",
        "b1a2 b,a [1, 2] 9 None True",
    ),
    (
        r"{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %} {% for k, v in {'b': 1} | items %}{{ k }}{{ v }}{% endfor %}",
        "a2b1 b1",
    ),
    (
        r"{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='role') | list | join('+') }} {{ messages | rejectattr('role', 'equalto', 'user') | list | length }} {{ messages | map(attribute='role') | join(', ') }}",
        "user 1 user, assistant",
    ),
    (
        r"{{ [3, 1, 2] | sort | join }} {{ 'a b' | capitalize }} {{ none | default('d', true) }} {{ nothing | default('e') }} {{ [1, 2] | first }} {{ [1, 2] | last }} {{ [1, none, 2] | select | list }} {{ [1, 2, 2] | unique | list }}",
        "123 A b d e 1 2 [1, 2] [1, 2]",
    ),
    (
        r"{{ messages is iterable }} {{ messages is sequence }} {{ messages[0] is mapping }} {{ messages[0].content is string }} {{ 'a' is sequence }} {{ 3 is divisibleby 3 }} {{ messages[0].tool_calls is defined }} {{ true is boolean }} {{ 1.5 is float }} {{ 1 is integer }} {{ 1 is number }}",
        "True True True True True True False True True True True",
    ),
    (
        r"{% macro m(x, y='d') %}[{{ x }}{{ y }}]{% endmacro %}{% set b %}in{% endset %}{{ m('a') ~ b ~ (1 + 1) if true else 'no' }}{{ m('z', y=1) }}",
        "[ad]in2[z1]",
    ),
    (
        r"{% for x in 'abc' %}{{ loop.index }}{{ loop.revindex0 }}{{ loop.previtem or '-' }}{{ loop.nextitem or '-' }}{{ ',' if not loop.last }}{% endfor %}",
        "12-b,21ac,30b-",
    ),
    (
        r"{% for m in messages %}{{ loop.index0 }}{{ loop.cycle('a', 'b') }}{{ loop.length }}{% else %}empty{% endfor %}{% for m in [] %}x{% else %}empty{% endfor %}",
        "0a21b2empty",
    ),
    (
        r"{% set ns = namespace(found=false, n=0) %}{% for m in messages[::-1] %}{% if m.role == 'user' and not ns.found %}{% set ns.found = true %}{% set ns.n = loop.index0 %}{% endif %}{% endfor %}{{ ns.found }}{{ ns.n }}",
        "True1",
    ),
    (
        r"{% for x in [1, 2, 3, 4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
        "13",
    ),
    (
        r"{{ 'a\nb\n\nc' | indent(2) }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\nb' | indent(width=1, first=true) }}",
        "a\n  b\n\n  c|  a\n  b| a\n b",
    ),
    (
        r"{{ 'a\tb  c'.split() }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b c '.split(none, 1) }} {{ 'a  b c'.rsplit(none, 1) }} {{ 'a,b'.split(',', maxsplit=0) }} {{ ''.split() }} {{ ''.split(',') }} {{ ' a b '.rsplit(none, 1) }} {{ ' a b '.split(none, 5) }}",
        "['a', 'b', 'c'] ['a', 'b,c'] ['a', 'b c '] ['a  b', 'c'] ['a,b'] [] [''] [' a', 'b'] ['a', 'b']",
    ),
    (
        r"{{ 'a\r\nb\n\nc\n'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ ''.splitlines() }}",
        "['a', 'b', '', 'c'] ['a\\n', 'b'] []",
    ),
    (
        r"{{ 'ab'.ljust(4, '.') }}{{ 'ab'.rjust(4) }}{{ 'ab'.center(5, '*') }}{{ 'abc'.center(6, '*') }}{{ 'ab'.center(1) }}",
        "ab..  ab**ab**abc**ab",
    ),
    (
        r"{{ 'hello wORLD it\'s'.title() }} {{ 'hELLO wORLD'.capitalize() }} {{ 'aB'.swapcase() }} {{ 'ß'.upper() }} {{ 'ABC'.casefold() }}",
        "Hello World It'S Hello world Ab SS abc",
    ),
    (
        r"{{ 'aXbXc'.replace('X', '-') }} {{ 'aXbXc'.replace('X', '-', 1) }} {{ 'ab'.replace('', '-') }} {{ 'aXbX' | replace('X', '-', 1) }}",
        "a-b-c a-bXc -a-b- a-bX",
    ),
    (
        r"{{ 'abc'.startswith('a') }} {{ 'abc'.startswith(('x', 'ab')) }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith('b', 1) }} {{ '-'.join(['a', 'b']) }}",
        "True True True True a-b",
    ),
    (
        r#"{{ 'a' 'b' }} {{ "it's" }} {{ 'q"q' }} {{ '\x41\u00e9' }} {{ 'a\\n' }} {{ '\d' }}"#,
        "ab it's q\"q Aé a\\n \\d",
    ),
    (
        r#"{{ ['a', "it's", none, true, 1.5, {'k': 'v'}] }} {{ {'a': [1, {'b': none}]} }} {{ messages[1] }}"#,
        "['a', \"it's\", None, True, 1.5, {'k': 'v'}] {'a': [1, {'b': None}]} {'role': 'assistant', 'content': \"Ok > & 'é'\"}",
    ),
    (
        r"{{ messages[1] | tojson }} {{ {'type': 'f', 'name': 'g', 'a': 1} | tojson }}",
        "{\"role\": \"assistant\", \"content\": \"Ok > & 'é'\"} {\"type\": \"f\", \"name\": \"g\", \"a\": 1}",
    ),
    (
        r"{{ {'b': 1, 'a': [true, none, 1.5]} | tojson(sort_keys=true) }} {{ {'b': 1, 'a': [1, 2]} | tojson(separators=(',', ':')) }}",
        "{\"a\": [true, null, 1.5], \"b\": 1} {\"b\":1,\"a\":[1,2]}",
    ),
    (
        r#"{{ 'é🙂\n\t"\\' | tojson(ensure_ascii=true) }} {{ 'é🙂' | tojson }} {{ 'a' | tojson(true) }}"#,
        "\"\\u00e9\\ud83d\\ude42\\n\\t\\\"\\\\\" \"é🙂\" \"a\"",
    ),
    (
        r"{{ {'b': [1, 2], 'e': [], 'd': {}} | tojson(indent=2) }}",
        "{\n  \"b\": [\n    1,\n    2\n  ],\n  \"e\": [],\n  \"d\": {}\n}",
    ),
    (
        r"{{ [1, [2]] | tojson(indent=1, separators=(', ', ' = ')) }} {{ {1: 2, none: 4} | tojson }} {{ [1e100, 0.1, 1e-7, 3.0] | tojson }}",
        "[\n 1, \n [\n  2\n ]\n] {\"1\": 2, \"null\": 4} [1e+100, 0.1, 1e-07, 3.0]",
    ),
    (
        r"{{ [1, 2] | tojson(indent=0) }} {{ [1] | tojson(indent='\t') }} {{ '\x7f\x01' | tojson }}",
        "[\n1,\n2\n] [\n\t1\n] \"\u{7f}\\u0001\"",
    ),
    (
        r"{{ [1, 2, 3] | sum }} {{ [1, 2, 3] | max }} {{ 3.7 | int }} {{ '12' | int + 1 }} {{ 2 | float }} {{ 3.14159 | round(2) }} {{ -3 | abs }} {{ 'abc' | length }} {{ [1, 2] | reverse | list }} {{ 'abc' | reverse }}",
        "6 3 3 13 2.0 3.14 3 3 [2, 1] cba",
    ),
    (
        r"{{ [1, 2, 3] | batch(2) | list }} {{ 'a-b' | upper }} {{ 'A' | lower }} {{ 'x' | string }} {{ 1 | string + '1' }} {{ [[1, 'b'], [0, 'a']] | map('last') | list }}",
        "[[1, 2], [3]] A-B a x 11 ['b', 'a']",
    ),
    (
        r"{{ 'yes' if messages[5] is not defined }}{{ messages[5] }}{{ 'x' if false }} {{ none is none }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ not true }} {{ 1 in [1, 2] }} {{ 'el' in 'hello' }} {{ 'x' not in 'abc' }}",
        "yes True True True False True True True",
    ),
    (
        r"{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}{% for i in [1] %}{% set x = 3 %}{% endfor %}{{ x }}{% with %}{% set x = 4 %}{% endwith %}{{ x }}",
        "222",
    ),
    (
        r"{% generation %}a {{ 1 }}{% endgeneration %} b {%- generation -%}  c  {%- endgeneration -%}  d",
        "a 1 bcd",
    ),
    (
        r"{% raw %}{{ x[1:2] }} {% generation %}{% endraw %} {# {% generation %} #}|",
        "{{ x[1:2] }} {% generation %} |",
    ),
    (
        r"{% filter upper %}abc{% endfilter %}{% macro w() %}<{{ caller() }}>{% endmacro %}{% call w() %}in{% endcall %}",
        "ABC<in>",
    ),
    (
        r"{{ [1, 2] + [3] }} {{ 'ab' * 3 }} {{ [0] * 2 }} {{ (1, 2)[0] }} {{ range(3) | list }} {{ range(1, 6, 2) | list }} {{ dict(a=1) }} {{ 'a' ~ 1 ~ none ~ true }}",
        "[1, 2, 3] ababab [0, 0] 1 [0, 1, 2] [1, 3, 5] {'a': 1} a1NoneTrue",
    ),
    (
        r"{% set a, b = 1, 2 %}{{ a }}{{ b }} {% for a, b in [[1, 2], [3, 4]] %}{{ a + b }} {% endfor %} {{ [1, 2, 3] | map('string') | join('-') }} {{ ['b', 'A'] | sort }} {{ messages | sort(attribute='role') | map(attribute='role') | list }}",
        "12 3 7  1-2-3 ['A', 'b'] ['assistant', 'user']",
    ),
    (
        r"{{ messages | groupby('role') | map(attribute=0) | list }} {{ 'a' is sequence and {} is sequence and none is not sequence }} {{ ['x', ['y']] | list }} {{ {'a': {'b': 1}}.a.b }} {{ {'a': 1}['a'] }} {{ [1,2,3].index(2) }} {{ [1, 1].count(1) }}",
        "['assistant', 'user'] True ['x', ['y']] 1 1 1 2",
    ),
    (
        r"{{ strftime_now('%%') }} {{ messages[0]['content'][2:7] }} {{ messages | length - 1 }} {{ messages[-1].role }} {{ messages[messages | length - 1]['role'] }} {{ (messages | last).role }}",
        "% Hello 1 assistant assistant assistant",
    ),
    (
        r"{{ loop is defined }} {{ raise_exception is defined }} {{ 1 if 'a' in ['a'] and not (1 > 2 or false) else 2 }} {{ 'é' | length }} {{ 'abc' | list }} {{ 'abc' | first }} {{ -7 // 2 }} {{ -7 % 3 }}",
        "False True 1 1 ['a', 'b', 'c'] a -4 2",
    ),
];
