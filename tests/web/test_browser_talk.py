"""People talk: two browsers, and a client on telnet."""

from __future__ import annotations

from playwright.sync_api import FilePayload, expect

from tests.support.browser import BrowserTestCase, Visitor
from tests.support.daemon_process import Client


class Talk(BrowserTestCase):
    """In the lobby, in private and in groups. It is one test because a browser takes long to log in."""

    def test_lobby_direct_messages_and_groups(self) -> None:
        daemon = self.start()
        self.alice = self.visit(daemon).logs_in("alice")
        self.bob = self.visit(daemon).logs_in("bob")
        self.carol = self.connect(daemon, "text")
        self.carol.says("IAM carol").hears_until(b"ARR carol\n")
        self.everybody_talks()
        self.one_does_something(self.connect(daemon, "json"))
        self.one_takes_something_back()
        self.one_sends_a_picture()
        self.two_talk_in_private()
        self.some_are_mentioned()
        self.a_group_is_made()
        self.bob_is_turned_out()
        self.a_group_is_private()
        self.some_leave()

    def everybody_talks(self) -> None:
        """In the lobby; all get the same."""
        expect(self.alice.page.locator("#members-list")).to_contain_text("carol")
        self.alice.says("hello from a browser")
        self.bob.sees("hello from a browser")
        self.assertIn(b"MSG alice hello from a browser", self.carol.hears_until(b"browser\n"))
        self.carol.says("MSG hello from telnet")
        for visitor in (self.alice, self.bob):
            visitor.sees("hello from telnet")
        self.assertEqual(self.alice.shown_messages(), self.bob.shown_messages())

    def one_does_something(self, robot: Client) -> None:
        """Which is shown without saying; and a program says something."""
        self.alice.says("/me waves at bob").says("and goes on")
        self.carol.hears_until(b"MSG alice /me waves at bob\nMSG alice and goes on\n")
        self.carol.says("MSG /me waves back")
        for visitor in (self.alice, self.bob):
            actions = visitor.page.locator("#log .message.action .body")
            expect(actions).to_have_text(["* alice waves at bob", "* carol waves back"])
            expect(visitor.page.locator("#log .who", has_text="alice")).to_have_count(2)
        robot.asks(action="client-hello", from_="robot")
        robot.asks(action="client-broadcast", msg="it is done", kind="notice")
        for visitor in (self.alice, self.bob):
            visitor.sees("it is done")
            expect(visitor.page.locator("#log .who", has_text="-robot-")).to_have_count(1)
        robot.close()

    def one_takes_something_back(self) -> None:
        """The author, who gets only an ack, sees it gone like everybody else."""
        self.alice.says("/delete 1 a slip")
        self.carol.hears_until(b"DEL 1 alice a slip\n")
        for visitor in (self.alice, self.bob):
            expect(visitor.page.locator("#log .deleted")).to_have_text("This message was deleted.")
            expect(visitor.page.locator("#log")).not_to_contain_text("hello from a browser")

    def one_sends_a_picture(self) -> None:
        """It is shown as characters before it is sent."""
        page = self.alice.page
        picture = FilePayload(name="page.png", mimeType="image/png", buffer=page.screenshot())
        page.locator("#file").set_input_files(picture)
        dialog = page.locator("#dialog")
        expect(dialog.locator(".art")).to_be_visible()
        dialog.get_by_role("button", name="Send").click()
        expect(self.bob.page.locator("#log .art")).to_contain_text("@")

    def two_talk_in_private(self) -> None:
        """What is unread is counted."""
        alice = self.alice
        self.carol.says("PRV alice between us")
        expect(alice.room("carol")).to_contain_text("1 unread")
        expect(alice.page).to_have_title("(@1, 1) Lobby · chatd")
        alice.opens("carol").sees("between us").says("as you like")
        self.assertIn(b"PRV alice as you like", self.carol.hears_until(b"like\n"))
        expect(alice.page).to_have_title("carol · chatd")

    def some_are_mentioned(self) -> None:
        """While they are elsewhere."""
        alice = self.alice
        self.bob.says("nothing for anybody").says("this is for you, alice")
        expect(alice.room("Lobby")).to_contain_text("2 unread, mentions: 1")
        alice.opens("Lobby").sees("New", "this is for you, alice")
        expect(alice.page.locator(".mentioned .mention")).to_have_text("alice")
        expect(alice.room("Lobby").locator(".count")).to_have_count(0)

    def a_group_is_made(self) -> None:
        """One joins it by the dialog, one on telnet."""
        alice, bob = self.alice, self.bob
        self.makes_group(alice, "course")
        bob.opens_dialog("#browse").page.get_by_role("button", name="Join course").click()
        expect(bob.page.locator("#title")).to_have_text("#course")
        self.carol.says("j;course").hears_until(b"ACK j")
        alice.says("all here?")
        bob.sees("all here?")
        self.carol.hears_until(b"all here?\n")
        self.carol.says("bg;course;yes; all")
        for visitor in (alice, bob):
            visitor.sees("yes; all")
        alice.says("/topic course sockets & co")
        bob.sees("sockets & co", where="#topic")
        expect(bob.page.locator("#members-title")).to_have_text("Members (3)")

    def bob_is_turned_out(self) -> None:
        """Kicked, he comes back; banned, he does not."""
        alice, bob = self.alice, self.bob
        self.turns_out(alice, "bob", "Remove from the group", "too loud")
        bob.sees("too loud").sees("You are not a member of this group.", where="#beginning")
        self.carol.says("bg;course;without bob")
        alice.sees("without bob")
        bob.says("and I?").sees("You are not a member of this group.", where="#reply")
        bob.says("/join course").sees("bob joined", "without bob")
        self.turns_out(alice, "bob", "Ban from the group", "again")
        bob.sees("again").says("/join course").sees("banned", where="#reply")
        self.assertNotIn("and I?", [text for _, _, text in alice.shown_messages()])

    def a_group_is_private(self) -> None:
        """Who is not invited does not know of it."""
        alice, bob = self.alice, self.bob
        self.makes_group(alice, "den", private=True)
        bob.opens_dialog("#browse")
        expect(bob.page.locator("#dialog-body .list")).to_contain_text("course")
        expect(bob.page.locator("#dialog-body .list")).not_to_contain_text("den")
        bob.page.keyboard.press("Escape")
        bob.says("/join den").sees("den", where="#reply")
        alice.says("/invite den bob")
        invitation = bob.page.locator(".invitation")
        expect(invitation).to_contain_text("alice invites you to den")
        invitation.get_by_role("button", name="Join").click()
        expect(bob.page.locator("#title")).to_have_text("#den")
        expect(invitation).to_have_count(0)
        bob.says("here I am")
        alice.sees("here I am")
        self.assertNotIn(b"den", self.carol.says("bg;den;me too").hears_until(b"ERR "))

    def some_leave(self) -> None:
        """Those who stay see it."""
        alice = self.alice.opens("Lobby")
        members = alice.page.locator("#members-list")
        self.carol.close()
        expect(members).not_to_contain_text("carol")
        expect(alice.room("carol").locator(".dot.online")).to_have_count(0)
        self.bob.context.close()
        expect(members).not_to_contain_text("bob")

    def makes_group(self, visitor: Visitor, name: str, private: bool = False) -> None:
        """In the dialog."""
        visitor.opens_dialog("#browse")
        visitor.page.get_by_label("Name of the new group").fill(name)
        visitor.page.get_by_label("Private").set_checked(private)
        visitor.page.get_by_role("button", name="Make the group").click()
        expect(visitor.page.locator("#title")).to_have_text(f"#{name}")

    def turns_out(self, visitor: Visitor, nick: str, how: str, reason: str) -> None:
        """By the list of members."""
        visitor.page.locator("#members-list").get_by_role("button", name=nick).click()
        visitor.page.get_by_role("button", name=how).click()
        visitor.page.get_by_label("Reason").fill(reason)
        visitor.page.get_by_role("button", name=how).click()
        visitor.sees(reason)
