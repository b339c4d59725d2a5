"""People infrastructure: desk seats by Erlang C and A, weekly and on-call rosters, counters.

    week = at_the_desk(Contacts(...)).sum(axis=0)         contacts of all zones by the desk's clock
    seats = desk_seats(week, handling_s, Target(...))     fewest seats in every half hour
    roster = weekly_roster(seats.seats, WorkRules(...))   fewest people, tour by tour

The mathematics: docs/model/staffing.md. Developers are a stated line of the launch plan; nothing is computed for them.
"""

from capacity.staffing.counters import Counters, counters_needed
from capacity.staffing.desk import Contacts, Seats, Target, at_the_desk, desk_seats
from capacity.staffing.oncall import OnCall, on_call_roster
from capacity.staffing.roster import Roster, weekly_roster
from capacity.staffing.shifts import Shift, Tour, WorkRules, shift_templates, tours

__all__ = [
    "Contacts",
    "Counters",
    "OnCall",
    "Roster",
    "Seats",
    "Shift",
    "Target",
    "Tour",
    "WorkRules",
    "at_the_desk",
    "counters_needed",
    "desk_seats",
    "on_call_roster",
    "shift_templates",
    "tours",
    "weekly_roster",
]
