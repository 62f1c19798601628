from batch import __version__ as __version__
from batch.api import Reader as Reader
from batch.api import Result as Result
from batch.api import Source as Source
from batch.api import read as read
from batch.api import run as run
from batch.errors import DigitboxError as DigitboxError
