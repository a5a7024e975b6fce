"""The style sheet and the key bindings of the full-screen chat client."""

from __future__ import annotations

from typing import Final

from textual.binding import Binding, BindingType

STYLE_SHEET: Final = """
Screen {
    overflow: hidden;
}
#title {
    height: 1;
    padding: 0 1;
    background: $primary-darken-2;
    color: auto 100%;
}
#unread {
    display: none;
    height: 1;
    padding: 0 1;
    text-style: bold;
    color: $text-primary;
}
.-narrow {
    & NameList {
        display: none;
    }
    & #unread.-shown, & NameList.-open {
        display: block;
    }
}
.-wide NameList {
    width: 24;
}
.-huge NameList {
    width: 32;
}
Composer, Composer:focus {
    border-left: outer $accent;
    padding: 0 0 0 1;
    background: $panel;
}
.text-area--placeholder, .input--placeholder {
    color: $text-muted;
}
#scrollback {
    width: 1fr;
    padding: 0 0 0 1;
}
#progress {
    display: none;
    height: 1;
    padding: 0 1;
    color: $text-primary;
}
#search-line {
    display: none;
    height: 1;
    padding: 0 1;
    & #search {
        width: 1fr;
        border: none;
        padding: 0;
    }
    & #search-state {
        width: auto;
        padding: 0 0 0 1;
    }
}
#progress.-shown, #search-line.-shown {
    display: block;
}
#hint {
    height: 1;
    padding: 0 1;
    color: $text-muted;
}
.-low {
    & #hint, & #unread, & #progress {
        display: none;
    }
    & Composer {
        max-height: 40%;
    }
}
.-flat {
    & Composer, & Composer:focus {
        border-left: none;
        padding: 0;
    }
    & #title, & #unread, & Horizontal, & #hint, & #progress {
        display: none;
    }
    & Composer {
        max-height: 1;
    }
}
OptionList > .option-list--option-highlighted, OptionList:focus > .option-list--option-highlighted {
    background: $primary-darken-2;
    color: auto 100%;
}
NameList:focus {
    background-tint: transparent;  /* it would take contrast from the colours of nicks */
}
NameList > .option-list--option-highlighted, NameList:focus > .option-list--option-highlighted {
    background: $surface;
    color: $foreground;
    text-style: bold underline;  /* on another background, the colours of nicks would have less contrast */
}
.scrollback--time {
    color: $text-muted;
}
.scrollback--announcement {
    color: $text-muted;
    text-style: italic;
}
.scrollback--answer {
    color: $text-primary;
}
.scrollback--trouble {
    color: $text-error;
}
.scrollback--code {
    background: $panel;
}
.scrollback--link {
    text-style: underline;
}
.scrollback--pending {
    color: $text-muted;
    text-style: italic;
}
.scrollback--failed {
    color: $text-error;
}
.scrollback--new {
    color: $text-error;
    text-style: bold;
}
.scrollback--mention {
    background: $warning 30%;
    text-style: bold;
}
.scrollback--found {
    text-style: reverse;
}
.scrollback--own {
    text-style: bold;
}
ChatApp:nocolor {
    & .scrollback--own, & .scrollback--mention {
        text-style: bold underline;
    }
    & .scrollback--failed, & .scrollback--trouble {
        text-style: bold;
    }
    & .screen--selection, & .option-list--option-highlighted {
        background: $foreground;
        color: $background;
    }
    & NameList > .option-list--option-highlighted, & NameList:focus > .option-list--option-highlighted {
        background: $foreground;
        color: $background;
        text-style: bold;
    }
}
"""

KEY_BINDINGS: Final[list[BindingType]] = [
    Binding("ctrl+c", "copy_or_quit", priority=True),
    Binding("ctrl+q", "quit", priority=True),
    Binding("f1", "show_help", priority=True),
    Binding("f2", "run_command('/rooms')"),
    Binding("f3,ctrl+f", "search", priority=True),
    Binding("shift+f3", "step_search(-1)", priority=True),
    Binding("f4", "focus_people", priority=True),
    Binding("f5", "toggle_theme"),
    Binding("f6,alt+a", "show_next_unread", priority=True),
    Binding("f7", "show_new_messages", priority=True),
    Binding("ctrl+k", "open_switcher", priority=True),
    Binding("ctrl+n", "step_conversation(1)"),
    Binding("ctrl+p", "step_conversation(-1)"),
    Binding("pageup", "scroll(-1)", priority=True),
    Binding("pagedown", "scroll(1)", priority=True),
    Binding("ctrl+home", "show_beginning", priority=True),
    Binding("ctrl+end", "show_end", priority=True),
    Binding("escape", "focus_composer", priority=True),
]

ACTIONS_BLOCKED_BY_DIALOG: Final = frozenset(
    {
        "run_command",
        "open_switcher",
        "search",
        "step_search",
        "focus_people",
        "step_conversation",
        "show_next_unread",
        "show_new_messages",
        "scroll",
        "show_beginning",
        "show_end",
        "focus_composer",
    }
)
"""The actions of keys that do nothing while a dialog is open in front of the chat."""
