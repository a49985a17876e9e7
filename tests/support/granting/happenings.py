"""What can happen in a story; what PostgreSQL refuses in its place has not happened."""

from dataclasses import dataclass, replace

from psycopg import sql

from support.granting.stories import Story
from support.granting.story_ground import KINDS, SCHEMAS, Thing


@dataclass(frozen=True, slots=True)
class Declare:
    """An object is created, or edited so that it declares something else."""

    name: str
    spec: str

    def take(self, story: Story) -> None:
        """Declare it."""
        story.declare(self.name, self.spec)


@dataclass(frozen=True, slots=True)
class Reconcile:
    """A pass, which remembers what the one before saw."""

    def take(self, story: Story) -> None:
        """Run it."""
        story.reconcile()


@dataclass(frozen=True, slots=True)
class Make:
    """Somebody makes an object."""

    kind: str
    creator: str
    schema: str
    name: str

    def take(self, story: Story) -> None:
        """Create it."""
        if story.happen(self.creator, made(self.kind, self.schema, self.name)):
            story.things.append(Thing(self.kind, self.schema, self.name))


@dataclass(frozen=True, slots=True)
class Rename:
    """An object gets another name."""

    which: int
    new: str

    def take(self, story: Story) -> None:
        """Alter it."""
        place = self.which % len(story.things)
        thing = story.things[place]
        if story.happen("postgres", thing.altered("rename to {}", self.new)):
            story.things[place] = replace(thing, name=self.new)


@dataclass(frozen=True, slots=True)
class Move:
    """An object is moved to the other schema."""

    which: int

    def take(self, story: Story) -> None:
        """Alter it."""
        place = self.which % len(story.things)
        thing = story.things[place]
        schema = next(schema for schema in SCHEMAS if schema != thing.schema)
        if story.happen("postgres", thing.altered("set schema {}", schema)):
            story.things[place] = replace(thing, schema=schema, moved=True)


@dataclass(frozen=True, slots=True)
class Hand:
    """An object gets another owner."""

    which: int
    owner: str

    def take(self, story: Story) -> None:
        """Alter it."""
        story.happen("postgres", story.things[self.which % len(story.things)].altered("owner to {}", self.owner))


@dataclass(frozen=True, slots=True)
class RenameSchema:
    """A schema gets another name; and another schema its name, when `again`."""

    again: bool

    def take(self, story: Story) -> None:
        """Alter it."""
        texts = [sql.SQL("alter schema app rename to was_app")]
        if self.again:
            texts.append(
                sql.SQL("create schema app authorization app_owner; grant all on schema app to maker, stranger")
            )
        if story.happen("postgres", *texts):
            story.things = [replace(t, schema="was_app") if t.schema == "app" else t for t in story.things]


@dataclass(frozen=True, slots=True)
class RenameGrantee:
    """The role that is granted to gets another name."""

    def take(self, story: Story) -> None:
        """Alter it."""
        names = sql.Identifier(story.grantee), sql.Identifier(f"{story.grantee}_now")
        story.happen("postgres", sql.SQL("alter role {} rename to {}").format(*names))


@dataclass(frozen=True, slots=True)
class Give:
    """Others grant what no object declares: one who may pass it on, and the owner."""

    which: int

    def take(self, story: Story) -> None:
        """Grant it, on what is a relation."""
        thing = story.things[self.which % len(story.things)]
        what, role = sql.Identifier(thing.schema, thing.name), story.role()
        by_owner = sql.SQL("grant trigger on table {} to d with grant option; grant references on table {} to {}")
        on = sql.SQL("grant trigger on table {} to {}").format(what, role)
        if story.happen("postgres", by_owner.format(what, what, role), _as("d"), on):
            story.note_gift(thing)


@dataclass(frozen=True, slots=True)
class Swap:
    """An object gets out of the way, and something else of its name takes its place."""

    which: int
    kind: str
    creator: str

    def take(self, story: Story) -> None:
        """Rename the one and make the other, at once."""
        place = self.which % len(story.things)
        thing, aside = story.things[place], f"was_{len(story.things)}"
        new = made(self.kind, thing.schema, thing.name)
        if story.happen("postgres", thing.altered("rename to {}", aside), _as(self.creator), new):
            story.things[place] = replace(thing, name=aside)
            story.things.append(Thing(self.kind, thing.schema, thing.name))


@dataclass(frozen=True, slots=True)
class MakeAgain:
    """An object is dropped, and something of its name made."""

    which: int
    kind: str
    creator: str

    def take(self, story: Story) -> None:
        """Drop it and make it, at once."""
        place = self.which % len(story.things)
        thing = story.things[place]
        gone = sql.SQL("drop {} {}{} cascade").format(
            sql.SQL(KINDS[thing.kind][1]), sql.Identifier(thing.schema, thing.name), sql.SQL(thing.arguments)
        )
        if story.happen("postgres", gone, _as(self.creator), made(self.kind, thing.schema, thing.name)):
            story.things[place] = Thing(self.kind, thing.schema, thing.name)


def made(kind: str, schema: str, name: str) -> sql.Composed:
    """The statement that makes an object."""
    return sql.SQL(KINDS[kind][0]).format(sql.Identifier(schema, name))


def _as(role: str) -> sql.Composed:
    return sql.SQL("set role {}").format(sql.Identifier(role))
